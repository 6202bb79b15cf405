import type { SimulatedModel } from './options.ts';

/** Which models are in memory, least recently used first, and since when. Times are in simulated milliseconds. */
export class SimulatedMemory {
  readonly #loadedMax: number;
  readonly #readyAt = new Map<string, number>();
  loads = 0;
  evictions = 0;

  constructor(loadedMax: number, preloaded: readonly SimulatedModel[]) {
    this.#loadedMax = loadedMax;
    for (const model of preloaded.slice(0, loadedMax)) this.#readyAt.set(model.id, 0);
  }

  /** True if a model is in memory at a given time; one that is still loading is not. */
  isReady(id: string, atMs: number): boolean {
    return (this.#readyAt.get(id) ?? Number.POSITIVE_INFINITY) <= atMs;
  }

  /**
   * When the model is ready; loads it now if it is not in memory. `onEvicted` is called with each evicted model. An answer that an evicted model is
   * writing is finished: its memory is freed afterwards.
   */
  use(model: SimulatedModel, atMs: number, onEvicted: (id: string) => void): number {
    const held = this.#readyAt.get(model.id);
    const readyAt = held ?? atMs + model.loadSeconds * 1_000;
    this.#readyAt.delete(model.id);
    if (held === undefined) {
      this.loads++;
      this.#makeRoom(onEvicted);
    }
    this.#readyAt.set(model.id, readyAt);
    return readyAt;
  }

  #makeRoom(onEvicted: (id: string) => void): void {
    for (const id of this.#readyAt.keys()) {
      if (this.#readyAt.size < this.#loadedMax) return;
      this.#readyAt.delete(id);
      this.evictions++;
      onEvicted(id);
    }
  }
}
