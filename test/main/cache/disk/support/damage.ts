import {
  META,
  NODE,
  PAGE,
  readTree,
  readWord,
  type TreeHeader,
} from '../../../../../src/main/cache/disk/lmdb-layout.ts';
import { pick, type Random, randomIndex } from '../../../../../src/shared/random.ts';

export const PAGE_BYTES = 4_096;

/** Where the parts of a sound file stand that tests damage. */
export class FileMap {
  readonly view: DataView;
  /** The meta page that counts, and the other one. */
  readonly meta: number;
  readonly otherMeta: number;
  readonly freeTree: TreeHeader;
  readonly nameTree: TreeHeader;
  readonly records: TreeHeader;
  readonly index: TreeHeader;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const transactions = [0, PAGE_BYTES].map((at) => readWord(this.view, at + PAGE.HEADER_BYTES + META.TRANSACTION));
    const isFirst = (transactions[0] as number) > (transactions[1] as number);
    this.meta = (isFirst ? 0 : PAGE_BYTES) + PAGE.HEADER_BYTES;
    this.otherMeta = (isFirst ? PAGE_BYTES : 0) + PAGE.HEADER_BYTES;
    this.freeTree = readTree(this.view, this.meta + META.FREE_TREE);
    this.nameTree = readTree(this.view, this.meta + META.NAME_TREE);
    const names = this.nameTree.root;
    // In the order of their names: index, records.
    this.index = readTree(this.view, this.valueAt(names, 0));
    this.records = readTree(this.view, this.valueAt(names, 1));
  }

  nodeAt(page: number, index: number): number {
    const at = page * PAGE_BYTES;
    return at + PAGE.HEADER_BYTES + this.view.getUint16(at + PAGE.HEADER_BYTES + index * 2, true);
  }

  valueAt(page: number, index: number): number {
    const at = this.nodeAt(page, index);
    return at + NODE.HEADER_BYTES + this.view.getUint16(at + NODE.KEY_BYTES, true);
  }

  /** The page that a node of a branch leads to. */
  childOf(page: number, index: number): number {
    return this.view.getUint32(this.nodeAt(page, index), true);
  }

  /** The first leaf below a page. */
  leafBelow(tree: TreeHeader): number {
    let page = tree.root;
    for (let depth = tree.depth; depth > 1; depth--) page = this.childOf(page, 0);
    return page;
  }
}

type Damager = (bytes: Buffer, random: Random) => Buffer;

function scramble(bytes: Buffer, from: number, to: number, random: Random): void {
  for (let i = from; i < to; i++) bytes[i] = randomIndex(random, 256);
}

function flip(bytes: Buffer, at: number, random: Random): void {
  bytes[at] = (bytes[at] as number) ^ (1 << randomIndex(random, 8));
}

const pageIn = (bytes: Buffer, random: Random): number => randomIndex(random, bytes.length / PAGE_BYTES) * PAGE_BYTES;

/** What disks, copies and other programs do to files, by name. Each takes a sound file. */
export const DAMAGES: Readonly<Record<string, Damager>> = {
  cut: (bytes, random) => bytes.subarray(0, randomIndex(random, bytes.length)),
  'cut at a page': (bytes, random) => bytes.subarray(0, pageIn(bytes, random)),
  'a page of noise': (bytes, random) => {
    const at = pageIn(bytes, random);
    scramble(bytes, at, at + PAGE_BYTES, random);
    return bytes;
  },
  'pages of zeros': (bytes, random) => {
    const at = pageIn(bytes, random);
    return bytes.fill(0, at, Math.min(bytes.length, at + (1 + randomIndex(random, 4)) * PAGE_BYTES));
  },
  'flipped bits': (bytes, random) => {
    for (let i = 0; i < 20; i++) flip(bytes, randomIndex(random, bytes.length), random);
    return bytes;
  },
  'a flipped bit in each of some page heads': (bytes, random) => {
    for (let i = 0; i < 3; i++) flip(bytes, pageIn(bytes, random) + randomIndex(random, 40), random);
    return bytes;
  },
  'flipped bits in the heads of nodes': (bytes, random) => {
    for (let i = 0; i < 10; i++) {
      const at = pageIn(bytes, random) + PAGE.HEADER_BYTES;
      const node = at + bytes.readUInt16LE(at);
      if (node + NODE.HEADER_BYTES < bytes.length) flip(bytes, node + randomIndex(random, NODE.HEADER_BYTES), random);
    }
    return bytes;
  },
  'a flipped bit in each head of the file': (bytes, random) => {
    for (const at of [0, PAGE_BYTES]) flip(bytes, at + randomIndex(random, PAGE.HEADER_BYTES + META.BYTES), random);
    return bytes;
  },
  'a flipped bit in one head of the file': (bytes, random) => {
    flip(bytes, pick(random, [0, PAGE_BYTES]) + randomIndex(random, PAGE.HEADER_BYTES + META.BYTES), random);
    return bytes;
  },
  'flipped bits in the list of free pages': (bytes, random) => {
    const map = new FileMap(bytes);
    const leaf = map.leafBelow(map.freeTree);
    const count = map.view.getUint16(leaf * PAGE_BYTES + PAGE.LOWER, true) / 2;
    for (let i = 0; i < 2; i++) {
      const value = map.valueAt(leaf, randomIndex(random, count));
      flip(bytes, value + randomIndex(random, (leaf + 1) * PAGE_BYTES - value), random);
    }
    return bytes;
  },
  'two pages that changed places': (bytes, random) => {
    const [a, b] = [pageIn(bytes, random), pageIn(bytes, random)];
    const page = Buffer.from(bytes.subarray(a, a + PAGE_BYTES));
    bytes.copy(bytes, a, b, b + PAGE_BYTES);
    page.copy(bytes, b);
    return bytes;
  },
  'pages of an older copy': (bytes, random) => {
    const from = pageIn(bytes, random);
    bytes.copy(bytes, pageIn(bytes, random), from, from + 4 * PAGE_BYTES);
    return bytes;
  },
  'noise from the start': (bytes, random) => {
    scramble(bytes, 0, 1 + randomIndex(random, bytes.length), random);
    return bytes;
  },
  'noise at the end': (bytes, random) => {
    scramble(bytes, randomIndex(random, bytes.length), bytes.length, random);
    return bytes;
  },
};
