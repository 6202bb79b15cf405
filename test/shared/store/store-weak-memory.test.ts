import { describe, expect, test } from 'vitest';
import { everyInterleaving, everyOrder } from '../../support/interleave.ts';

/*
 * Why both adds of the store protocol are needed, which a sequentially consistent model cannot show: the accesses of a
 * thread may take effect in another order than that of the program, as far as arm64 lets them. All threads agree on the
 * order in which they take effect, as they do on arm64. An add is one access, or the two of a processor without atomic
 * adds: an exclusive load and an exclusive store, which succeeds only if nobody has stored to the word in between.
 */
interface Access {
  /** Atomic but for `read` and `write`, which are plain. */
  readonly kind: 'load' | 'store' | 'add' | 'read' | 'write';
  readonly word: number;
  run(memory: Memory): void;
}

interface Memory {
  readonly words: Int32Array;
  /** Who has an exclusive load open: a store to SEQUENCE by another one ends it. */
  exclusive: Set<string>;
  /** An exclusive store failed. The thread would begin its add anew, so this order ends here, and proves nothing. */
  isOver: boolean;
  /** A word of the payload was written while SEQUENCE was even yet. */
  wroteEarly: boolean;
}

const SEQUENCE = 0;
const PAYLOAD = [1, 2] as const;

function isPlain({ kind }: Access): boolean {
  return kind === 'read' || kind === 'write';
}

/** A load is an acquire, a store a release, an add is both. Between themselves they keep their order. */
function mayPass(later: Access, earlier: Access): boolean {
  if (later.word === earlier.word) return false;
  if (isPlain(earlier)) return isPlain(later) || later.kind === 'load';
  return earlier.kind === 'store' && isPlain(later);
}

function setSequence(memory: Memory, value: number): void {
  memory.words[SEQUENCE] = value;
  memory.exclusive.clear();
}

type AddKind = 'whole' | 'in two halves';

/** An add whose result is `seen`, which the one of the writer does not look at. */
function add(thread: string, amount: number, kind: AddKind, seen: (value: number) => void = () => {}): Access[] {
  const sum = (memory: Memory): void => {
    const value = memory.words[SEQUENCE] as number;
    seen(value);
    setSequence(memory, value + amount);
  };
  if (kind === 'whole') return [{ kind: 'add', word: SEQUENCE, run: sum }];
  return [
    { kind: 'load', word: SEQUENCE, run: ({ exclusive }) => exclusive.add(thread) },
    {
      kind: 'store',
      word: SEQUENCE,
      run(memory) {
        if (memory.exclusive.has(thread)) sum(memory);
        else memory.isOver = true;
      },
    },
  ];
}

function store(value: number): Access {
  return { kind: 'store', word: SEQUENCE, run: (memory) => setSequence(memory, value) };
}

interface Protocol {
  readonly opens: AddKind | 'store' | 'nothing';
  readonly validates: AddKind | 'load';
  readonly writes?: number;
}

function writerOf({ opens, writes = 1 }: Protocol): Access[] {
  return Array.from({ length: writes }, (_, i) => i + 1).flatMap((version): Access[] => {
    const opening = opens === 'store' ? [store(2 * version - 1)] : [];
    if (opens === 'whole' || opens === 'in two halves') opening.push(...add('writer', 1, opens));
    const payload = PAYLOAD.map((word): Access => {
      const run = (memory: Memory): void => {
        if (((memory.words[SEQUENCE] as number) & 1) === 0) memory.wroteEarly = true;
        memory.words[word] = version;
      };
      return { kind: 'write', word, run };
    });
    return [...opening, ...payload, store(2 * version)];
  });
}

interface Copy {
  before: number;
  readonly payload: number[];
  after: number;
}

function readerOf({ validates }: Protocol, copy: Copy): Access[] {
  const look: Access = { kind: 'load', word: SEQUENCE, run: ({ words }) => (copy.before = words[SEQUENCE] as number) };
  const payload = PAYLOAD.map(
    (word, i): Access => ({ kind: 'read', word, run: ({ words }) => (copy.payload[i] = words[word] as number) }),
  );
  const after = (value: number): void => {
    copy.after = value;
  };
  const validation: Access[] =
    validates === 'load'
      ? [{ kind: 'load', word: SEQUENCE, run: ({ words }) => after(words[SEQUENCE] as number) }]
      : add('reader', 0, validates, after);
  return [look, ...payload, ...validation];
}

function* steps(accesses: readonly Access[], memory: Memory): Generator<void, void> {
  for (const access of accesses) {
    yield;
    if (!memory.isOver) access.run(memory);
  }
}

/** The copies that the reader takes for whole, over all orders; and whether a payload was written early in one of them. */
function outcomes(protocol: Protocol): { taken: Set<string>; wroteEarly: boolean } {
  const taken = new Set<string>();
  let wroteEarly = false;
  const copy: Copy = { before: 0, payload: [0, 0], after: 0 };
  for (const writer of everyOrder(writerOf(protocol), mayPass)) {
    for (const reader of everyOrder(readerOf(protocol, copy), mayPass)) {
      everyInterleaving(() => {
        const memory: Memory = { words: new Int32Array(3), exclusive: new Set(), isOver: false, wroteEarly: false };
        const check = (): void => {
          if (memory.isOver) return;
          wroteEarly ||= memory.wroteEarly;
          if ((copy.before & 1) === 0 && copy.after === copy.before) taken.add(copy.payload.join(' '));
        };
        return { threads: [steps(writer, memory), steps(reader, memory)], check };
      });
    }
  }
  return { taken, wroteEarly };
}

const WHOLE = new Set(['0 0', '1 1']);

describe('where plain accesses are moved as arm64 may move them', () => {
  test('no half decision is taken, over two writes, when the writer opens and the reader validates by an add', () => {
    const { taken } = outcomes({ opens: 'whole', validates: 'whole', writes: 2 });
    expect(taken).toEqual(new Set(['0 0', '1 1', '2 2']));
  });

  test('nor where an add has two halves, though payload is then written before SEQUENCE is odd', () => {
    const { taken, wroteEarly } = outcomes({ opens: 'in two halves', validates: 'in two halves' });
    expect(taken).toEqual(WHOLE);
    expect(wroteEarly).toBe(true);
  });

  test.each<[string, Protocol]>([
    ['the reader validates by a load, which its plain reads may pass', { opens: 'whole', validates: 'load' }],
    ['the same with adds of two halves', { opens: 'in two halves', validates: 'load' }],
    ['the writer opens by a store, before which its plain writes may be seen', { opens: 'store', validates: 'whole' }],
    ['the same with adds of two halves', { opens: 'store', validates: 'in two halves' }],
    ['the writer does not open', { opens: 'nothing', validates: 'whole' }],
  ])('a half decision is taken when %s', (_what, protocol) => {
    const { taken } = outcomes(protocol);
    expect([...taken].filter((each) => !WHOLE.has(each))).not.toEqual([]);
  });
});

describe('every order of a thread', () => {
  const names = (orders: string[][]): string[] => orders.map((order) => order.join(''));

  test('is the program where nothing may pass, and each permutation where all may', () => {
    expect(names(everyOrder(['a', 'b', 'c'], () => false))).toEqual(['abc']);
    expect(names(everyOrder(['a', 'b', 'c'], () => true)).sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });

  test('keeps a pair whose later one may not pass the earlier one', () => {
    const orders = everyOrder(['a', 'b', 'c'], (later, earlier) => !(later === 'c' && earlier === 'a'));
    expect(names(orders).sort()).toEqual(['abc', 'acb', 'bac']);
  });
});
