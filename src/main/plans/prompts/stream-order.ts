import { LRUCache } from 'lru-cache';
import type { Domain, Feature } from '../../../shared/domain.ts';
import { type PromptOrder, renderActions, renderFeature, type Situation } from '../../../shared/situation.ts';

/*
 * The order in which prompts show the situation, learned from how often each part changes from one prompt of an agent to its next:
 * a server with a prefix cache reads everything from the first change on. The order is judged by the characters that would have been
 * read again for the latest prompts, so parts that change together are treated as such. A new order costs one whole reading in
 * every slot, so it must be clearly better, and stays for a while.
 */

/** Number of latest pairs of prompts by which orders are judged. */
const PAIRS_WATCHED = 256;
/** Number of pairs before the first order is learned. */
const PAIRS_MIN = 48;
/** Number of pairs from one look at the order to the next, and after a change. */
const PAIRS_BETWEEN = 32;
const PAIRS_KEPT = 256;
/** A new order must save this share of what the present one reads. */
const SAVING_MIN = 0.1;
const AGENTS_MAX = 1_000;
/** Maximum size of their latest prompts together, in characters. */
const CHARS_MAX = 8_000_000;
/** Weight of a new length in its mean. */
const LENGTH_SHARE = 0.05;

/** Index of the list of actions among the parts; the features follow it in the order of the domain. */
const ACTIONS = 0;

export class StreamOrder {
  /** The order to use now; undefined while nothing better than the default is known. */
  current: PromptOrder | undefined;
  readonly #features: readonly (readonly [name: string, feature: Feature])[];
  readonly #last = new LRUCache<string, readonly string[]>({
    max: AGENTS_MAX,
    maxSize: CHARS_MAX,
    sizeCalculation: (parts) => 1 + parts.reduce((sum, { length }) => sum + length, 0),
  });
  /** For each of the latest pairs, whether each part changed. */
  readonly #pairs: (readonly boolean[])[] = [];
  readonly #chars: number[];
  #order: readonly number[];
  #nextLook = PAIRS_MIN;

  constructor({ features }: Domain) {
    this.#features = Object.entries(features).filter(([, { kind }]) => kind !== 'image');
    this.#chars = [0, ...this.#features.map(() => 0)];
    this.#order = [...this.#chars.keys()];
  }

  /** Records what models are shown next of an agent. */
  saw(agent: string, { observation, actions }: Situation): void {
    const parts = [
      renderActions(actions, 'text'),
      ...this.#features.map(([name, feature]) => renderFeature(name, feature, observation) ?? ''),
    ];
    const before = this.#last.get(agent);
    this.#last.set(agent, parts);
    if (before === undefined) return;
    for (const [index, { length }] of parts.entries()) {
      const mean = this.#chars[index] as number;
      this.#chars[index] = mean === 0 ? length : mean + LENGTH_SHARE * (length - mean);
    }
    this.#pairs.push(parts.map((part, index) => part !== before[index]));
    if (this.#pairs.length > PAIRS_WATCHED) this.#pairs.shift();
    if (--this.#nextLook <= 0) this.#look();
  }

  #look(): void {
    this.#nextLook = PAIRS_BETWEEN;
    const best = this.#bestOrder();
    if (this.#charsRead(best) >= (1 - SAVING_MIN) * this.#charsRead(this.#order)) return;
    this.#nextLook = PAIRS_KEPT;
    this.#order = best;
    const nameOf = (part: number): string => (this.#features[part - 1] as readonly [string, Feature])[0];
    const at = best.indexOf(ACTIONS);
    this.current = { beforeActions: best.slice(0, at).map(nameOf), afterActions: best.slice(at + 1).map(nameOf) };
  }

  /** The characters that the latest prompts would have had to read again in an order. */
  #charsRead(order: readonly number[]): number {
    let chars = 0;
    for (const changed of this.#pairs) {
      const first = order.findIndex((part) => changed[part]);
      if (first >= 0) for (const part of order.slice(first)) chars += this.#chars[part] as number;
    }
    return chars;
  }

  /**
   * Places, one after the other, the part that keeps most characters for what it loses: its length times how often it stays, for
   * each change, among the pairs in which nothing before it changed.
   */
  #bestOrder(): number[] {
    const left = new Set(this.#chars.keys());
    const order: number[] = [];
    let same: readonly (readonly boolean[])[] = this.#pairs;
    while (left.size > 0) {
      let best = -1;
      let bestWorth = -1;
      for (const part of left) {
        const changes = same.filter((changed) => changed[part]).length;
        const worth = ((this.#chars[part] as number) * (same.length - changes)) / (changes + 0.5);
        if (worth > bestWorth) [best, bestWorth] = [part, worth];
      }
      order.push(best);
      left.delete(best);
      same = same.filter((changed) => !changed[best]);
    }
    return order;
  }
}
