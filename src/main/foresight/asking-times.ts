import { LRUCache } from 'lru-cache';
import { DecayedQuantiles } from '../measure/decayed-quantiles.ts';

/** Fewer samples than this say nothing about a scene. */
const SAMPLES_MIN = 4;
const MEMORY = 100;
const SCENES_MAX = 1_024;

/** How long after a decision an agent usually asks again, by agent and scene, and by scene alone for agents that are new there. */
export class AskingTimes {
  readonly #times = new LRUCache<string, DecayedQuantiles>({ max: SCENES_MAX });

  /** Records that an agent asked again this long after a decision that it was given in a scene. */
  record(agent: string, scene: string, ms: number): void {
    for (const key of keysOf(agent, scene)) {
      let times = this.#times.get(key);
      if (times === undefined) {
        times = new DecayedQuantiles(MEMORY);
        this.#times.set(key, times);
      }
      times.record(ms);
    }
  }

  /** Returns the median; undefined while too little is known. */
  usualMs(agent: string, scene: string): number | undefined {
    for (const key of keysOf(agent, scene)) {
      const times = this.#times.get(key);
      if (times !== undefined && times.count >= SAMPLES_MIN) return times.quantile(0.5);
    }
    return undefined;
  }
}

function keysOf(agent: string, scene: string): readonly string[] {
  return [`${scene.length}:${scene}${agent}`, scene];
}
