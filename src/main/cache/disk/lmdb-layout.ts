/*
 * How lmdb lays out a file: data format 2, as a little-endian machine with 64-bit words writes it. lmdb follows what it
 * reads from the map without a check, so file-check.ts reads this layout first. Taken from liblmdb/mdb.c of lmdb-js 3.5.
 *
 *   page 0 and 1: header, META             page 2 ...: a node page, an overflow run, or free
 *
 *   header   +0 u64 page number  +8 u64 transaction  +16 u16 -  +18 u16 flags  +20 u16 lower  +22 u16 upper
 *            an overflow run has  +20 u32 page count  instead of the last two, and its bytes after the header
 *   META     +0 u32 magic  +4 u32 version  +8 u64 -  +16 u64 map size  +24 TREE free pages  +72 TREE names
 *            +120 u64 last page  +128 u64 transaction  +136 i64 boot id
 *   TREE     +0 u32 page size in the first TREE of META, else 0  +4 u16 flags  +6 u16 depth  +8 u64 branch pages
 *            +16 u64 leaf pages  +24 u64 overflow pages  +32 u64 entries  +40 u64 root
 *   node page: header, one u16 per node (its offset from the end of the header), free room, nodes
 *            the offsets end at `lower`, the nodes begin at `upper`, both counted from the end of the header
 *   node     +0 u16 low  +2 u16 high  +4 u16 flags  +6 u16 key bytes  +8 key, value
 *            in a leaf low and high are the value's bytes; in a branch low, high and flags are the child's page
 *            a value with the flag BIG is a reference:  +0 u64 first page  +8 u64 transaction  +16 u64 pages
 *
 *   A free-page record has the key u64 transaction and the value i64 count, then that many i64: a page, or a negative
 *   length followed by the first page of a run, or 0 for nothing.
 */
export const PAGE = {
  NUMBER: 0,
  TRANSACTION: 8,
  FLAGS: 18,
  LOWER: 20,
  UPPER: 22,
  RUN_PAGES: 20,
  HEADER_BYTES: 24,
} as const;
export const PAGE_KIND = { BRANCH: 0x01, LEAF: 0x02, OVERFLOW: 0x04, META: 0x08 } as const;
export const META = {
  MAGIC: 0,
  VERSION: 4,
  FREE_TREE: 24,
  NAME_TREE: 72,
  LAST_PAGE: 120,
  TRANSACTION: 128,
  BYTES: 144,
} as const;
export const TREE = {
  PAGE_BYTES: 0,
  FLAGS: 4,
  DEPTH: 6,
  BRANCHES: 8,
  LEAVES: 16,
  OVERFLOWS: 24,
  ENTRIES: 32,
  ROOT: 40,
  BYTES: 48,
} as const;
export const NODE = { LOW: 0, HIGH: 2, FLAGS: 4, KEY_BYTES: 6, HEADER_BYTES: 8 } as const;
export const NODE_FLAG = { BIG: 0x01, TREE: 0x02 } as const;
export const REFERENCE = { PAGE: 0, PAGES: 16, BYTES: 24 } as const;

export const MAGIC = 0xbeefc0de;
export const DATA_VERSION = 2;
/** Flags of the free tree: its keys are integers. lmdb keeps the flag "no subfolder" of the environment in the same word. */
export const FREE_TREE_FLAGS = 0x4008;
export const META_PAGES = 2;
/** Maximum depth that lmdb's cursors support. */
export const DEPTH_MAX = 32;
export const PAGE_BYTES_MIN = 512;
export const PAGE_BYTES_MAX = 65_536;
/** The root of an empty tree. */
export const NO_PAGE = -1;

/** Reads an unsigned word as a number: exact up to 2^53; larger values exceed every bound they are compared with. */
export function readWord(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** Reads a signed word. */
export function readSignedWord(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getInt32(at + 4, true) * 2 ** 32;
}

export interface TreeHeader {
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  readonly root: number;
}

export function readTree(view: DataView, at: number): TreeHeader {
  return {
    flags: view.getUint16(at + TREE.FLAGS, true),
    depth: view.getUint16(at + TREE.DEPTH, true),
    branches: readWord(view, at + TREE.BRANCHES),
    leaves: readWord(view, at + TREE.LEAVES),
    overflows: readWord(view, at + TREE.OVERFLOWS),
    entries: readWord(view, at + TREE.ENTRIES),
    root: readSignedWord(view, at + TREE.ROOT),
  };
}
