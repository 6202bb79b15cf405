import type { Place } from '../../../shared/place.ts';
import type { SlotIndex } from '../../../shared/store/store-layout.ts';

/**
 * Finds remembered states near a new one: among the slots whose gates are equal, the nearest by distance. One k-d tree
 * (Bentley, 1975) for each gate, with leaves of up to `LEAF_SLOTS` slots, so that a lookup costs the neighbours it looks
 * at and not the entries there are. It looks at no more than `LOOKED_MAX` of them: then the nearest so far is the answer,
 * which in a tree is near though maybe not the nearest. Trees are not rebalanced; leaves that empty are taken out.
 */
const LEAF_SLOTS = 24;
export const LOOKED_MAX = 256;

interface Leaf {
  readonly kind: 'leaf';
  parent: Branch | undefined;
  readonly slots: SlotIndex[];
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
  readonly place: Place;
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
  readonly #roots = new Map<number, TreeNode>();

  constructor(slotCount: number, dimensions: number, softWeights: Float64Array) {
    this.#dimensions = dimensions;
    this.#softWeights = softWeights;
    this.#coordinates = new Float32Array(slotCount * dimensions);
    this.#soft = new Int32Array(slotCount * softWeights.length);
    this.#gates = new Float64Array(slotCount);
  }

  /** How many different gates have slots. */
  get groups(): number {
    return this.#roots.size;
  }

  /** Puts a slot at a place, from wherever it stood before. */
  set(slot: SlotIndex, place: Place): void {
    if (this.#leaves[slot] !== undefined) this.remove(slot);
    this.#coordinates.set(place.coordinates, slot * this.#dimensions);
    this.#soft.set(place.soft, slot * this.#softWeights.length);
    this.#gates[slot] = place.gate;
    let node = this.#roots.get(place.gate);
    if (node === undefined) {
      node = { kind: 'leaf', parent: undefined, slots: [] };
      this.#roots.set(place.gate, node);
    }
    while (node.kind === 'branch') node = this.#at(slot, node.dimension) < node.split ? node.low : node.high;
    node.slots.push(slot);
    this.#leaves[slot] = node;
    if (node.slots.length > LEAF_SLOTS) this.#divide(node, place.gate);
  }

  /** Takes a slot out, if it is in. */
  remove(slot: SlotIndex): void {
    const leaf = this.#leaves[slot];
    if (leaf === undefined) return;
    this.#leaves[slot] = undefined;
    const last = leaf.slots.pop() as SlotIndex;
    if (last !== slot) leaf.slots[leaf.slots.indexOf(slot)] = last;
    if (leaf.slots.length > 0) return;
    const { parent } = leaf;
    const gate = this.#gates[slot] as number;
    if (parent === undefined) this.#roots.delete(gate);
    else this.#replace(parent, parent.low === leaf ? parent.high : parent.low, gate);
  }

  clear(): void {
    this.#roots.clear();
    this.#leaves.length = 0;
  }

  /** The nearest slot with equal gates that `accept` takes, at most `distanceMax` away. */
  nearest(place: Place, distanceMax: number, accept: (slot: SlotIndex) => boolean): Neighbour | undefined {
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
      for (const slot of node.slots) this.#look(slot, search);
      return;
    }
    const beyond = (search.place.coordinates[node.dimension] as number) - node.split;
    this.#search(beyond < 0 ? node.low : node.high, search);
    if (search.looked < LOOKED_MAX && beyond * beyond <= search.within) {
      this.#search(beyond < 0 ? node.high : node.low, search);
    }
  }

  #look(slot: SlotIndex, search: Search): void {
    if (search.looked++ >= LOOKED_MAX) return;
    const distance = this.#squaredDistance(slot, search.place, search.within);
    const isNearer = search.slot === undefined ? distance <= search.within : distance < search.within;
    if (!isNearer || !search.accept(slot)) return;
    search.slot = slot;
    search.within = distance;
  }

  #squaredDistance(slot: SlotIndex, place: Place, enough: number): number {
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

  /** A leaf that has become too large becomes a branch, divided at the middle of its widest dimension. */
  #divide(leaf: Leaf, gate: number): void {
    const cut = this.#widest(leaf.slots);
    // All in one place: they differ in soft features only, or not at all.
    if (cut === undefined) return;
    const { dimension, split } = cut;
    const low: Leaf = { kind: 'leaf', parent: undefined, slots: [] };
    const high: Leaf = { kind: 'leaf', parent: undefined, slots: [] };
    for (const slot of leaf.slots) {
      const side = this.#at(slot, dimension) < split ? low : high;
      side.slots.push(slot);
      this.#leaves[slot] = side;
    }
    const branch: Branch = { kind: 'branch', parent: undefined, dimension, split, low, high };
    low.parent = branch;
    high.parent = branch;
    this.#replace(leaf, branch, gate);
  }

  #widest(slots: readonly SlotIndex[]): { dimension: number; split: number } | undefined {
    let best: { dimension: number; split: number } | undefined;
    let widest = 0;
    for (let dimension = 0; dimension < this.#dimensions; dimension++) {
      const values = slots.map((slot) => this.#at(slot, dimension)).sort((a, b) => a - b);
      const width = (values.at(-1) as number) - (values[0] as number);
      if (width <= widest) continue;
      widest = width;
      // The median, or the next greater value where the median is the smallest one, so that no side is empty.
      const median = values[values.length >> 1] as number;
      const split = median > (values[0] as number) ? median : values.find((value) => value > median);
      best = { dimension, split: split as number };
    }
    return best;
  }

  #replace(node: TreeNode, by: TreeNode, gate: number): void {
    const { parent } = node;
    by.parent = parent;
    if (parent === undefined) this.#roots.set(gate, by);
    else if (parent.low === node) parent.low = by;
    else parent.high = by;
  }
}
