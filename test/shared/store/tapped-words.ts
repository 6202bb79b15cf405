/**
 * A tap on each access to shared memory, atomic and plain, by code that does not know of it: `Atomics` is replaced in
 * this thread when the module is loaded, and what is built inside `tapped` has a proxy for each Int32Array over shared
 * memory. Nothing is tapped but inside `withTap`.
 */
export interface Access {
  readonly kind: 'load' | 'store' | 'add' | 'read' | 'write';
  /** Counted from the start of the buffer, whatever part of it the accessing array covers. */
  readonly word: number;
  /** What is stored, added or written; what was loaded or read is the tap's to ask for. */
  readonly value: number;
}

/** Called before the access. A number that it returns is what a load, a read or an add gives instead of the real one. */
export type Tap = (access: Access) => number | undefined;

type Words = Int32Array<SharedArrayBuffer>;

const RealInt32Array = Int32Array;
const { load, store, add } = Atomics;
/** What a proxy stands for. */
const behind = new WeakMap<object, Words>();
let tap: Tap | undefined;

/** The real words, past the tap. */
export const untapped = {
  load: (words: Words, word: number): number => load(words, word),
  store: (words: Words, word: number, value: number): number => store(words, word, value),
};

Object.assign(Atomics, {
  load(words: Words, word: number): number {
    const target = behind.get(words);
    if (target === undefined) return load(words, word);
    return tell('load', target, word) ?? load(target, word);
  },
  store(words: Words, word: number, value: number): number {
    const target = behind.get(words);
    if (target !== undefined) tell('store', target, word, value);
    return store(target ?? words, word, value);
  },
  add(words: Words, word: number, value: number): number {
    const target = behind.get(words);
    if (target === undefined) return add(words, word, value);
    const seen = tell('add', target, word, value);
    const real = add(target, word, value);
    return seen ?? real;
  },
});

function tell(kind: Access['kind'], words: Words, word: number, value = 0): number | undefined {
  return tap?.({ kind, word: words.byteOffset / Int32Array.BYTES_PER_ELEMENT + word, value });
}

function proxyOf(words: Words): Words {
  const proxy = new Proxy(words, {
    get(target, name) {
      if (name === 'subarray') return (from?: number, to?: number) => proxyOf(target.subarray(from, to));
      const word = Number(name);
      if (Number.isNaN(word)) return Reflect.get(target, name, target);
      return tell('read', target, word) ?? target[word];
    },
    set(target, name, value: number) {
      tell('write', target, Number(name), value);
      target[Number(name)] = value;
      return true;
    },
  });
  behind.set(proxy, words);
  return proxy;
}

/** What `build` builds, with a tap on its shared words. */
export function tapped<T>(build: () => T): T {
  globalThis.Int32Array = new Proxy(RealInt32Array, {
    construct(target, parts: [SharedArrayBuffer]) {
      const words = Reflect.construct(target, parts) as Words;
      return parts[0] instanceof SharedArrayBuffer ? proxyOf(words) : words;
    },
  });
  try {
    return build();
  } finally {
    globalThis.Int32Array = RealInt32Array;
  }
}

export function withTap<T>(by: Tap, run: () => T): T {
  tap = by;
  try {
    return run();
  } finally {
    tap = undefined;
  }
}
