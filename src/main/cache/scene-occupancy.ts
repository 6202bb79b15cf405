import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { OTHER_SCENE, SCENES_MAX } from './false-hits.ts';

export interface SceneEntries {
  readonly scene: string;
  readonly entries: number;
}

/** No scene: the slot is empty, or holds a decision of an earlier run that has not served yet. */
const UNKNOWN = 0;

/**
 * Counts the entries of each scene in the store as they come and go, at one byte a slot and two additions a change. 64 scenes by
 * name, later ones together.
 */
export class SceneOccupancy {
  readonly #sceneAt: Uint8Array;
  readonly #numbers = new Map<string, number>();
  /** Number of entries by scene number. */
  readonly #entries: number[] = [0];

  constructor(slotCount: number) {
    this.#sceneAt = new Uint8Array(slotCount);
  }

  set(slot: SlotIndex, scene: string): void {
    const number = this.#numberOf(scene);
    if (this.#sceneAt[slot] === number) return;
    this.remove(slot);
    this.#sceneAt[slot] = number;
    this.#entries[number] = (this.#entries[number] as number) + 1;
  }

  /** Records the scene of an entry whose scene was unknown. */
  learn(slot: SlotIndex, scene: string): void {
    if (this.#sceneAt[slot] === UNKNOWN) this.set(slot, scene);
  }

  remove(slot: SlotIndex): void {
    const number = this.#sceneAt[slot] as number;
    if (number === UNKNOWN) return;
    this.#entries[number] = (this.#entries[number] as number) - 1;
    this.#sceneAt[slot] = UNKNOWN;
  }

  clear(): void {
    this.#sceneAt.fill(UNKNOWN);
    this.#entries.fill(0);
  }

  /** Entries by scene, the fullest first. Scenes without entries are left out. */
  stats(): SceneEntries[] {
    return [...this.#numbers]
      .map(([scene, number]) => ({ scene, entries: this.#entries[number] as number }))
      .filter(({ entries }) => entries > 0)
      .sort((a, b) => b.entries - a.entries);
  }

  #numberOf(scene: string): number {
    const known = this.#numbers.get(scene);
    if (known !== undefined) return known;
    if (this.#numbers.size >= SCENES_MAX && scene !== OTHER_SCENE) return this.#numberOf(OTHER_SCENE);
    const number = this.#entries.push(0) - 1;
    this.#numbers.set(scene, number);
    return number;
  }
}
