import type { ResolvedCache } from '../../src/main/cache/cache-options.ts';
import { Replay } from '../../src/main/replay/replay.ts';
import { DOMAIN, type Step } from './streams.ts';

/** How a budget was kept on a stream. */
export interface Verdict {
  readonly requests: number;
  readonly served: number;
  readonly wrong: number;
  /** What an oracle that knows the chances would serve: requests of known gates whose risk together meets the budget. */
  readonly oracle: number;
  /** The lowest chance, over all sizes, of so many wrong answers or more if the budget was met exactly. */
  readonly pLowest: number;
  /** The size at which it was lowest. */
  readonly at: number;
}

/** Sizes at which a stream is judged. */
const SIZES_EVERY = 100;

export function judged(steps: Iterable<Step>, cache: ResolvedCache, budget: number, seed: number): Verdict {
  const replay = new Replay(DOMAIN, { cache, seed });
  const oracle = new Oracle(cache.loopGuard);
  let [requests, pLowest, at] = [0, 1, 0];
  for (const step of steps) {
    replay.next(step.record);
    oracle.next(step);
    if (++requests % SIZES_EVERY !== 0) continue;
    const { served, wrong } = replay.soFar();
    const p = chanceOfAtLeast(wrong, served, budget);
    if (p < pLowest) [pLowest, at] = [p, requests];
  }
  const { served, wrong } = replay.soFar();
  return { requests, served, wrong, oracle: oracle.served(budget), pLowest, at };
}

export class Oracle {
  readonly #guard: boolean;
  readonly #known = new Set<string>();
  readonly #risks: number[] = [];
  readonly #last = new Map<string, { state: string; action: string; times: number }>();

  constructor(guard: boolean) {
    this.#guard = guard;
  }

  next({ record: { request, chosen }, best, risk }: Step): void {
    const { level, ...gates } = request.observation;
    const gate = JSON.stringify([gates, request.actions]);
    const state = `${gate} ${Math.floor((level as number) / 10)}`;
    const last = this.#last.get(request.agent);
    const isSame = last !== undefined && last.state === state;
    const isInVain = this.#guard && isSame && last.times >= 2 && last.action === best;
    if (this.#known.has(gate) && !isInVain) this.#risks.push(risk);
    this.#known.add(gate);
    const action = chosen as string;
    this.#last.set(request.agent, { state, action, times: isSame && last.action === action ? last.times + 1 : 1 });
  }

  served(budget: number): number {
    let sum = 0;
    const risks = this.#risks.toSorted((a, b) => a - b);
    const first = risks.findIndex((risk, i) => {
      sum += risk;
      return sum > budget * (i + 1);
    });
    return first < 0 ? risks.length : first;
  }
}

/** Exact binomial test: the chance of `wrong` or more of `n`, if each is wrong with chance `p`. */
export function chanceOfAtLeast(wrong: number, n: number, p: number): number {
  if (wrong <= p * n) return 1;
  const ratio = p / (1 - p);
  let log = wrong * Math.log(p) + (n - wrong) * Math.log(1 - p);
  for (let i = 1; i <= wrong; i++) log += Math.log((n - wrong + i) / i);
  let term = Math.exp(log);
  let sum = 0;
  for (let k = wrong; k <= n && term > 1e-18; k++) {
    sum += term;
    term *= (ratio * (n - k)) / (k + 1);
  }
  return Math.min(1, sum);
}
