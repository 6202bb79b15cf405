import type { StatePoint } from '../../../shared/place.ts';
import type { SlotIndex } from '../../../shared/store/store-layout.ts';

/**
 * Finds remembered states near a new one: among the slots with equal gates, the nearest by distance. There is one k-d tree
 * (Bentley, 1975) for each gate, with leaves of up to `LEAF_SLOTS` slots, so the cost of a lookup depends on the neighbours it
 * looks at, not on the number of entries. It looks at no more than `LOOKED_MAX` slots and then returns the nearest so far, which
 * may not be the nearest of all.
 *
 * A node covers a cell of space that is split in its middle, so no order of arrival makes a tree deeper than `CELL_MIN` allows.
 * Rejected: splitting at the median of a leaf, which a feature that only grows, such as time, turns into a chain as deep as
 * there are leaves.
 */
const LEAF_SLOTS = 24;
export const LOOKED_MAX = 256;
/** Slots closer together than this in every dimension are not divided. Coordinates are from 0 to 1. */
const CELL_MIN = 2 ** -20;

interface Leaf {
  readonly kind: 'leaf';
  parent: Branch | undefined;
  readonly slots: SlotIndex[];
  /** The leaf is divided if it has more slots. Raised after a failed division, which would otherwise be repeated for each new slot. */
  slotsMax: number;
}
interface Branch {
  readonly kind: 'branch';
  parent: Branch | undefined;
  readonly dimension: number;
  /** Slots with a coordinate below this are in `low`. */
  readonly split: number;
  low: TreeNode;
  high: TreeNode;
}
type TreeNode = Leaf | Branch;

export interface Neighbour {
  readonly slot: SlotIndex;
  /** 0 for equal states, 1 for opposite ones. */
  readonly distance: number;
}

interface Search {
  readonly place: StatePoint;
  readonly accept: (slot: SlotIndex) => boolean;
  slot: SlotIndex | undefined;
  /** Squared distance beyond which nothing is accepted. */
  within: number;
  looked: number;
}

export class SimilarIndex {
  readonly #dimensions: number;
  readonly #softWeights: Float64Array;
  readonly #coordinates: Float32Array;
  readonly #soft: Int32Array;
  readonly #gates: Float64Array;
  readonly #leaves: (Leaf | undefined)[] = [];
  /** Position of each slot in its leaf. */
  readonly #positions: Int32Array;
  readonly #roots = new Map<number, TreeNode>();

  constructor(slotCount: number, dimensions: number, softWeights: Float64Array) {
    this.#dimensions = dimensions;
    this.#softWeights = softWeights;
    this.#coordinates = new Float32Array(slotCount * dimensions);
    this.#soft = new Int32Array(slotCount * softWeights.length);
    this.#gates = new Float64Array(slotCount);
    this.#positions = new Int32Array(slotCount);
  }

  /** Number of different gates that have slots. */
  get groups(): number {
    return this.#roots.size;
  }

  /** Puts a slot at a place, or moves it there. */
  set(slot: SlotIndex, place: StatePoint): void {
    if (this.#leaves[slot] !== undefined) this.remove(slot);
    this.#coordinates.set(place.coordinates, slot * this.#dimensions);
    this.#soft.set(place.soft, slot * this.#softWeights.length);
    this.#gates[slot] = place.gate;
    let node = this.#roots.get(place.gate);
    if (node === undefined) {
      node = emptyLeaf();
      this.#roots.set(place.gate, node);
    }
    while (node.kind === 'branch') node = this.#at(slot, node.dimension) < node.split ? node.low : node.high;
    this.#put(slot, node);
    if (node.slots.length > node.slotsMax) this.#divide(node, place.gate);
  }

  /** Removes a slot, if it is in the index. */
  remove(slot: SlotIndex): void {
    const leaf = this.#leaves[slot];
    if (leaf === undefined) return;
    this.#leaves[slot] = undefined;
    const last = leaf.slots.pop() as SlotIndex;
    if (last !== slot) {
      const position = this.#positions[slot] as number;
      leaf.slots[position] = last;
      this.#positions[last] = position;
    }
    if (leaf.slots.length <= LEAF_SLOTS) leaf.slotsMax = LEAF_SLOTS;
    if (leaf.slots.length === 0) this.#collapse(leaf, this.#gates[slot] as number);
  }

  clear(): void {
    this.#roots.clear();
    this.#leaves.length = 0;
  }

  /** Returns the nearest slot with equal gates that `accept` takes, at most `distanceMax` away. */
  nearest(place: StatePoint, distanceMax: number, accept: (slot: SlotIndex) => boolean): Neighbour | undefined {
    const root = this.#roots.get(place.gate);
    if (root === undefined) return undefined;
    // Slightly more, because coordinates are kept in 32 bits: a distance of 0 must find an equal state.
    const within = (distanceMax + 1e-6) ** 2;
    const search: Search = { place, accept, slot: undefined, within, looked: 0 };
    this.#search(root, search);
    return search.slot === undefined ? undefined : { slot: search.slot, distance: Math.sqrt(search.within) };
  }

  #at(slot: SlotIndex, dimension: number): number {
    return this.#coordinates[slot * this.#dimensions + dimension] as number;
  }

  #search(node: TreeNode, search: Search): void {
    if (node.kind === 'leaf') {
      for (let i = 0; i < node.slots.length && search.looked < LOOKED_MAX; i++) {
        this.#look(node.slots[i] as SlotIndex, search);
      }
      return;
    }
    const beyond = (search.place.coordinates[node.dimension] as number) - node.split;
    this.#search(beyond < 0 ? node.low : node.high, search);
    if (search.looked < LOOKED_MAX && beyond * beyond <= search.within) {
      this.#search(beyond < 0 ? node.high : node.low, search);
    }
  }

  #look(slot: SlotIndex, search: Search): void {
    search.looked++;
    const distance = this.#squaredDistance(slot, search.place, search.within);
    const isNearer = search.slot === undefined ? distance <= search.within : distance < search.within;
    if (!isNearer || !search.accept(slot)) return;
    search.slot = slot;
    search.within = distance;
  }

  #squaredDistance(slot: SlotIndex, place: StatePoint, enough: number): number {
    const { coordinates, soft } = place;
    const at = slot * this.#dimensions;
    let sum = 0;
    for (let i = 0; i < coordinates.length && sum <= enough; i++) {
      const difference = (this.#coordinates[at + i] as number) - (coordinates[i] as number);
      sum += difference * difference;
    }
    const softAt = slot * soft.length;
    for (let i = 0; i < soft.length; i++) {
      if (this.#soft[softAt + i] !== soft[i]) sum += this.#softWeights[i] as number;
    }
    return sum;
  }

  #put(slot: SlotIndex, leaf: Leaf): void {
    this.#positions[slot] = leaf.slots.length;
    this.#leaves[slot] = leaf;
    leaf.slots.push(slot);
  }

  /** Turns a leaf that has become too large into a branch, split in the middle of its cell across its widest dimension. */
  #divide(leaf: Leaf, gate: number): void {
    const dimension = this.#widest(leaf.slots);
    if (dimension === undefined) {
      leaf.slotsMax = leaf.slots.length * 2;
      return;
    }
    const split = middleOfCell(leaf, dimension);
    const low = emptyLeaf();
    const high = emptyLeaf();
    for (const slot of leaf.slots) this.#put(slot, this.#at(slot, dimension) < split ? low : high);
    const branch: Branch = { kind: 'branch', parent: undefined, dimension, split, low, high };
    low.parent = branch;
    high.parent = branch;
    this.#replace(leaf, branch, gate);
    // All of them may be in one half.
    for (const half of [low, high]) if (half.slots.length > half.slotsMax) this.#divide(half, gate);
  }

  /** Returns the dimension in which the slots are farthest apart; undefined if they are all at one place. */
  #widest(slots: readonly SlotIndex[]): number | undefined {
    let widest: number | undefined;
    let width = CELL_MIN;
    for (let dimension = 0; dimension < this.#dimensions; dimension++) {
      let least = Number.POSITIVE_INFINITY;
      let most = Number.NEGATIVE_INFINITY;
      for (const slot of slots) {
        const value = this.#at(slot, dimension);
        if (value < least) least = value;
        if (value > most) most = value;
      }
      if (most - least <= width) continue;
      width = most - least;
      widest = dimension;
    }
    return widest;
  }

  /** Merges two empty halves into one leaf, and removes an empty tree, so that no branch is without slots. */
  #collapse(leaf: Leaf, gate: number): void {
    for (let { parent } = leaf; parent !== undefined; parent = leaf.parent) {
      const sibling = parent.low === leaf ? parent.high : parent.low;
      if (sibling.kind === 'branch' || sibling.slots.length > 0) return;
      this.#replace(parent, leaf, gate);
    }
    this.#roots.delete(gate);
  }

  #replace(node: TreeNode, by: TreeNode, gate: number): void {
    const { parent } = node;
    by.parent = parent;
    if (parent === undefined) this.#roots.set(gate, by);
    else if (parent.low === node) parent.low = by;
    else parent.high = by;
  }
}

function emptyLeaf(): Leaf {
  return { kind: 'leaf', parent: undefined, slots: [], slotsMax: LEAF_SLOTS };
}

/** The middle of the cell that the splits above leave to a leaf. */
function middleOfCell(leaf: Leaf, dimension: number): number {
  let low = 0;
  let high = 1;
  let node: TreeNode = leaf;
  for (let { parent } = leaf; parent !== undefined; node = parent, parent = parent.parent) {
    if (parent.dimension !== dimension) continue;
    if (parent.low === node) high = Math.min(high, parent.split);
    else low = Math.max(low, parent.split);
  }
  return (low + high) / 2;
}
