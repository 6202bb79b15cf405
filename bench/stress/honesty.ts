import type { AnswerRule, CacheOptions } from '../../src/main/options/planner-options.ts';
import { type ChecksFigures, runChecks } from './checks.ts';
import { runFairness } from './fairness.ts';
import { meanRatio, type Ratio } from './mean-ratio.ts';

/** Plans a second: at 70 % of what the server can do, and at more than it can. */
const CALM = 14;
const SATURATED = 80;
/** At more than it can do where models are read first. */
const SATURATED_READS = 120;
/** Where models are read first, at half of what the server can do. */
const CALM_READS = 50;
const PRICE_SEEDS = 10;
/**
 * What checks find out changes what is served, and so the load. What they cost shows where nothing but time decides about what is
 * served. Where models are read, they also change how soon reads decide; this differs from seed to seed, so the interval is wide.
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
  readonly goodput: Ratio;
  readonly p90: Ratio;
}

type Prices = Readonly<Record<'calm' | 'saturated' | 'reads', Price>>;

interface Fairness {
  readonly seeds: number;
  /** Sessions whose 95 % interval has the truth. */
  readonly covered: number;
  readonly width: number;
}

export interface Honesty
  extends Partial<Pick<ChecksFigures, 'checksDue' | 'checksDone' | 'checksLate' | 'checksLost'>> {
  readonly price?: Prices;
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
  const figures = await runChecks({ offered: SATURATED_READS, seed, ...(isQuick ? { seconds: QUICK.seconds } : {}) });
  const { checksDue, checksDone, checksLate, checksLost, load } = figures;
  const others = `${checksLate} late, ${checksLost} lost`;
  console.error(`checks under load: ${checksDone} of ${checksDue} due, ${others}, slots busy ${percent(load)}`);
  return figures;
}

async function measurePrice(from: number, isQuick: boolean): Promise<Prices> {
  const seeds = Array.from({ length: isQuick ? QUICK.priceSeeds : PRICE_SEEDS }, (_, nth) => from + nth);
  return {
    calm: await priceAt(CALM, 'write', seeds),
    saturated: await priceAt(SATURATED, 'write', seeds),
    reads: await priceAt(CALM_READS, 'auto', seeds),
  };
}

async function priceAt(offered: number, answers: AnswerRule, seeds: readonly number[]): Promise<Price> {
  const pairs: { readonly beside: ChecksFigures; readonly without: ChecksFigures }[] = [];
  for (const seed of seeds) {
    const setting = { offered, seed, seconds: 0, answers };
    const without = await runChecks({ ...setting, cache: { ...SAME_HITS, checkShare: NO_CHECKS } });
    pairs.push({ beside: await runChecks({ ...setting, cache: SAME_HITS }), without });
  }
  const ratioOf = (of: 'goodput' | 'p90Seconds'): Ratio =>
    meanRatio(pairs.map(({ beside, without }) => beside[of] / without[of]));
  const load = pairs.reduce((sum, { beside }) => sum + beside.load / pairs.length, 0);
  const price = { load, goodput: ratioOf('goodput'), p90: ratioOf('p90Seconds') };
  const costs = `goodput ${shown(price.goodput)}, p90 ${shown(price.p90)}`;
  console.error(
    `price of checks (${answers}), slots busy ${percent(load)}: ${costs} of without, mean of ${seeds.length} seeds`,
  );
  return price;
}

function shown({ mean, low, high }: Ratio): string {
  return `${percent(mean)} [${percent(low)}, ${percent(high)}]`;
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
