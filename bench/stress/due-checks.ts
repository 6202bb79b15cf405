import type { Hit } from '../../src/main/cache/look.ts';
import { ErrandQueue } from '../../src/main/plans/background/errand-queue.ts';
import { Lessons } from '../../src/main/plans/lessons.ts';
import { signatureText } from '../../src/shared/signature.ts';

/** A hit about which models are to be asked again, and what became of it. */
interface Due {
  readonly hit: Hit;
  readonly atMs: number;
  state: 'waits' | 'done' | 'lost';
  endMs: number;
}

/**
 * Follows every check from the hit for which it is due to its end, because the planner's own counts do not say which of the checks are
 * done. It wraps what the background lane calls, for all planners of the process, until it is closed.
 */
export class DueChecks {
  readonly #now: () => number;
  readonly #all: Due[] = [];
  /** Those that wait for the same answer, by their state. */
  readonly #open = new Map<string, Due[]>();
  readonly #keys = new WeakMap<Hit, string>();
  readonly #unwrap: () => void;

  constructor(now: () => number) {
    this.#now = now;
    this.#unwrap = this.#wrap();
  }

  close(): void {
    this.#unwrap();
  }

  /** How many became due between two times, and what became of them: `done` are those that were done within `limitMs`. */
  between(fromMs: number, toMs: number, limitMs: number): Record<'due' | 'done' | 'late' | 'lost', number> {
    const due = this.#all.filter(({ hit, atMs }) => hit.again === 'check' && atMs >= fromMs && atMs < toMs);
    const done = due.filter(({ state }) => state === 'done');
    const timely = done.filter(({ atMs, endMs }) => endMs - atMs <= limitMs).length;
    const lost = due.filter(({ state }) => state === 'lost').length;
    return { due: due.length, done: timely, late: done.length - timely, lost };
  }

  #wrap(): () => void {
    const { add } = ErrandQueue.prototype;
    const { checked, lost } = Lessons.prototype;
    const watch = this;
    ErrandQueue.prototype.add = function (errand, ...rest) {
      watch.#isDue(signatureText(errand.signature), errand.hit);
      add.call(this, errand, ...rest);
    };
    Lessons.prototype.checked = function (errand, ...rest) {
      watch.#ended(signatureText(errand.signature), 'done');
      checked.call(this, errand, ...rest);
    };
    Lessons.prototype.lost = function (hits) {
      const [first] = hits;
      if (first !== undefined) watch.#lost(first.hit);
      lost.call(this, hits);
    };
    return () => {
      Object.assign(ErrandQueue.prototype, { add });
      Object.assign(Lessons.prototype, { checked, lost });
    };
  }

  #isDue(key: string, hit: Hit): void {
    const due: Due = { hit, atMs: this.#now(), state: 'waits', endMs: 0 };
    this.#all.push(due);
    this.#keys.set(hit, key);
    this.#open.set(key, [...(this.#open.get(key) ?? []), due]);
  }

  #ended(key: string, state: Due['state']): void {
    for (const due of this.#open.get(key) ?? []) Object.assign(due, { state, endMs: this.#now() });
    this.#open.delete(key);
  }

  /** A lost errand takes with it all that wait for its answer; another hit that found no room there is lost alone. */
  #lost(hit: Hit): void {
    const key = this.#keys.get(hit) as string;
    const open = this.#open.get(key) ?? [];
    if (open[0]?.hit === hit) return this.#ended(key, 'lost');
    for (const due of open) if (due.hit === hit) Object.assign(due, { state: 'lost', endMs: this.#now() });
    this.#open.set(
      key,
      open.filter((due) => due.hit !== hit),
    );
  }
}
