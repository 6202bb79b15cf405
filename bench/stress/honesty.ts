import type { CacheOptions } from '../../src/main/options/planner-options.ts';
import { type ChecksFigures, runChecks } from './checks.ts';
import { runFairness } from './fairness.ts';

/** Plans a second: at 70 % of what the server can do, and at more than it can. */
const CALM = 14;
const SATURATED = 80;
const PRICE_SEEDS = 8;
/**
 * What checks find out changes what is served and how much is read, and so the load. What they cost shows where all is written, and
 * nothing but time decides about what is served.
 */
const SAME_HITS: CacheOptions = {
  similar: false,
  trust: 'always',
  ttlMs: 600_000,
  refreshAhead: false,
  valuesMin: false,
};
/** So that chance is used up as with checks. */
const NO_CHECKS = 1e-9;
const FAIRNESS_SEEDS = 400;
const QUICK = { seconds: 30, priceSeeds: 1, fairnessSeeds: 20 };

/** With checks next to without them, on the same seeds. */
interface Price {
  readonly load: number;
  readonly goodput: number;
  readonly p90: number;
}

interface Fairness {
  readonly seeds: number;
  /** Sessions whose 95 % interval has the truth. */
  readonly covered: number;
  readonly width: number;
}

export interface Honesty extends Partial<Pick<ChecksFigures, 'checksDue' | 'checksDone' | 'checksLost'>> {
  readonly price?: { readonly calm: Price; readonly saturated: Price };
  readonly fairness?: Fairness;
}

/** Whether the cache's checks are made under load, what they cost, and how fair they are; in virtual time. */
export async function measureHonesty(sections: ReadonlySet<string>, seed: number, isQuick: boolean): Promise<Honesty> {
  return {
    ...(sections.has('checks') ? await measureChecks(seed, isQuick) : {}),
    ...(sections.has('price') ? { price: await measurePrice(seed, isQuick) } : {}),
    ...(sections.has('fairness') ? { fairness: await measureFairness(seed, isQuick) } : {}),
  };
}

async function measureChecks(seed: number, isQuick: boolean): Promise<ChecksFigures> {
  const figures = await runChecks({ offered: SATURATED, seed, ...(isQuick ? { seconds: QUICK.seconds } : {}) });
  const { checksDue, checksDone, checksLost, load } = figures;
  console.error(
    `checks under load: ${checksDone} of ${checksDue} due, ${checksLost} lost, slots busy ${percent(load)}`,
  );
  return figures;
}

async function measurePrice(seed: number, isQuick: boolean): Promise<{ calm: Price; saturated: Price }> {
  const seeds = isQuick ? QUICK.priceSeeds : PRICE_SEEDS;
  const [calm, saturated] = [await priceAt(CALM, seed, seeds), await priceAt(SATURATED, seed, seeds)];
  for (const { load, goodput, p90 } of [calm, saturated]) {
    const costs = `goodput ${percent(goodput)}, p90 ${percent(p90)}`;
    console.error(`price of checks, slots busy ${percent(load)}: ${costs} of without, mean of ${seeds} seeds`);
  }
  return { calm, saturated };
}

async function priceAt(offered: number, from: number, seeds: number): Promise<Price> {
  const sum = { load: 0, goodput: 0, p90: 0 };
  for (let seed = from; seed < from + seeds; seed++) {
    const setting = { offered, seed, seconds: 0, answers: 'write' } as const;
    const without = await runChecks({ ...setting, cache: { ...SAME_HITS, checkShare: NO_CHECKS } });
    const beside = await runChecks({ ...setting, cache: SAME_HITS });
    sum.load += beside.load / seeds;
    sum.goodput += beside.goodput / without.goodput / seeds;
    sum.p90 += beside.p90Seconds / without.p90Seconds / seeds;
  }
  return sum;
}

async function measureFairness(from: number, isQuick: boolean): Promise<Fairness> {
  const seeds = isQuick ? QUICK.fairnessSeeds : FAIRNESS_SEEDS;
  let covered = 0;
  let width = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const { truth, low, high } = await runFairness(seed);
    if (low <= truth && truth <= high) covered++;
    width += (high - low) / seeds;
  }
  console.error(
    `fairness: the interval has the truth in ${covered} of ${seeds} sessions, mean width ${width.toFixed(3)}`,
  );
  return { seeds, covered, width };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
