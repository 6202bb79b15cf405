import { defined } from '../../src/shared/defined.ts';
import { quantile } from '../figures.ts';
import { type ChecksFigures, runChecks } from './checks.ts';
import { runFairness } from './fairness.ts';
import { meanRatio, type Ratio } from './mean-ratio.ts';
import { type PriceArm, type PricedPlan, type PricedSession, type PriceSetting, runPriced } from './price.ts';

/** Plans a second, at more than the server can do where models are read first. */
const SATURATED_READS = 120;
/** Which chance of a read is enough is fixed: a verdict on reads comes late in some sessions, by chance, and would be most of what differs. */
const READS = { answers: 'auto', confidenceMin: 0.5, warmSeconds: 100 } as const;
/** New states a second: where slots are busy for three quarters of the time or less, and more than models can decide. */
const PRICED = {
  calm: { fresh: 10, answers: 'write' },
  saturated: { fresh: 30, answers: 'write' },
  reads: { fresh: 14, ...READS },
  busyReads: { fresh: 22, ...READS },
  /** The cache answers nineteen in twenty, so that there are five times as many checks; long enough to see them done. */
  manyHits: { fresh: 14, ...READS, hits: 19, countedSeconds: 180 },
  saturatedReads: { fresh: 60, ...READS },
} as const;
const PRICE_SEEDS = 24;
const FAIRNESS_SEEDS = 400;
const QUICK = { seconds: 30, priceSeeds: 2, fairnessSeeds: 20 };

/** With checks next to without them, on the same seeds; `nudged` is without, and differs by chance. */
interface Price {
  readonly load: number;
  /** Plans in new states that models decided in time. */
  readonly goodput: Ratio;
  readonly p90: Ratio;
  /** Of the plans for which the same calls were made in both, because which reads are tried differs by chance; absent if they are fewer than half. */
  readonly alike?: Ratio;
  readonly nudged: Ratio;
  /** In long sessions: checks, and those that were done within two minutes. */
  readonly checksDue: number;
  readonly checksDone: number;
}

type Prices = Readonly<Record<keyof typeof PRICED, Price>>;

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
  const prices: [string, Price][] = [];
  for (const [name, load] of Object.entries(PRICED)) prices.push([name, await priceAt(name, load, seeds)]);
  return Object.fromEntries(prices) as Prices;
}

async function priceAt(name: string, at: Omit<PriceSetting, 'seed'>, seeds: readonly number[]): Promise<Price> {
  const sessions: Record<PriceArm, PricedSession>[] = [];
  for (const seed of seeds) {
    const run = (arm: PriceArm): Promise<PricedSession> => runPriced({ ...at, seed }, arm);
    sessions.push({ without: await run('without'), nudged: await run('nudged'), with: await run('with') });
  }
  const p90Of = (arm: PriceArm, counted: CountedPlans): Ratio =>
    meanRatio(sessions.map(({ without, [arm]: other }) => p90(counted(other, without)) / p90(counted(without, other))));
  const isMostAlike = sessions.every(({ with: beside, without }) => {
    return 2 * alikeIn(beside, without).length >= beside.plans.size;
  });
  const goodput = meanRatio(sessions.map(({ with: beside, without }) => beside.plans.size / without.plans.size));
  const load = sessions.reduce((sum, { without }) => sum + without.load / seeds.length, 0);
  const checksDue = sessions.reduce((sum, { with: { checksDue } }) => sum + checksDue, 0);
  const checksDone = sessions.reduce((sum, { with: { checksDone } }) => sum + checksDone, 0);
  const price = {
    load,
    goodput,
    p90: p90Of('with', allIn),
    ...defined({ alike: isMostAlike ? p90Of('with', alikeIn) : undefined }),
    nudged: p90Of('nudged', allIn),
    checksDue,
    checksDone,
  };
  const alike = price.alike === undefined ? '' : `, of plans decided alike ${shown(price.alike)}`;
  if (checksDue > 0) console.error(`checks, ${name}: ${checksDone} of ${checksDue} due`);
  const figures = `goodput ${shown(goodput)}, p90 ${shown(price.p90)}${alike} (by chance ${shown(price.nudged)})`;
  console.error(`price of checks, ${name}, slots busy ${percent(load)}: ${figures} of without, ${seeds.length} seeds`);
  return price;
}

/** The plans of a session that count when it is compared with another one of its seed. */
type CountedPlans = (session: PricedSession, other: PricedSession) => readonly PricedPlan[];

const allIn: CountedPlans = ({ plans }) => [...plans.values()];

/** Those for which the same calls were made in both. */
const alikeIn: CountedPlans = ({ plans }, other) =>
  [...plans].filter(([nth, { how }]) => other.plans.get(nth)?.how === how).map(([, plan]) => plan);

function p90(plans: readonly PricedPlan[]): number {
  const seconds = plans.map((plan) => plan.seconds);
  return quantile(seconds, 0.9);
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
