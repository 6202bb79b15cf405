import type { StatePoint } from '../../../shared/place.ts';
import type { SlotIndex } from '../../../shared/store/store-layout.ts';

/**
 * Finds remembered states near a new one: among the slots whose gates are equal, the nearest by distance. One k-d tree
 * (Bentley, 1975) for each gate, with leaves of up to `LEAF_SLOTS` slots, so that a lookup costs the neighbours it looks
 * at and not the entries there are. It looks at no more than `LOOKED_MAX` of them: then the nearest so far is the answer,
 * which in a tree is near though maybe not the nearest.
 *
 * A node stands for a cell of space and is divided in its middle, so that no order of arrival makes a tree deeper than
 * `CELL_MIN` allows. Rejected: division at the median of a leaf, which a feature that only grows, as time does, turns
 * into a chain as deep as there are leaves.
 */
const LEAF_SLOTS = 24;
export const LOOKED_MAX = 256;
/** Slots that lie closer together than this, in every dimension, are not divided. Coordinates are from 0 to 1. */
const CELL_MIN = 2 ** -20;

interface Leaf {
  readonly kind: 'leaf';
  parent: Branch | undefined;
  readonly slots: SlotIndex[];
  /** With more slots it is divided. Raised where that failed, or each new slot would have all be looked at again. */
  slotsMax: number;
}
interface Branch {
  readonly kind: 'branch';
  parent: Branch | undefined;
  readonly dimension: number;
  /** Slots whose coordinate is below stand in `low`. */
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
  /** Squared; nothing farther is wanted. */
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
  /** Where in its leaf a slot stands. */
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

  /** How many different gates have slots. */
  get groups(): number {
    return this.#roots.size;
  }

  /** Puts a slot at a place, from wherever it stood before. */
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

  /** Takes a slot out, if it is in. */
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

  /** The nearest slot with equal gates that `accept` takes, at most `distanceMax` away. */
  nearest(place: StatePoint, distanceMax: number, accept: (slot: SlotIndex) => boolean): Neighbour | undefined {
    const root = this.#roots.get(place.gate);
    if (root === undefined) return undefined;
    // A little more, because coordinates are kept in 32 bits: a distance of 0 must find an equal state.
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

  /** A leaf that has become too large becomes a branch, divided in the middle of its cell, across its widest dimension. */
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
    // All of them may lie in one half.
    for (const half of [low, high]) if (half.slots.length > half.slotsMax) this.#divide(half, gate);
  }

  /** The dimension in which the slots lie farthest apart; undefined where they lie in one place. */
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

  /** Two halves that are both empty become one leaf again, and an empty tree goes: no branch is without slots. */
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

/** The middle of what the divisions above have left to a leaf. */
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
