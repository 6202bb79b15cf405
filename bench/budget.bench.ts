import type { ResolvedCache } from '../src/main/cache/cache-options.ts';
import { PROFILES } from '../src/main/options/profiles.ts';
import { judged, type Verdict } from './budget/judge.ts';
import { stepsOf } from './budget/streams.ts';
import { HELD_OUT, STYLES } from './budget/styles.ts';
import { benchLine, readFlags } from './command-line.ts';
import { rounded } from './figures.ts';

/**
 * The error budget on synthetic streams with a known truth: is it kept at every size, by an exact test, and how much is served of
 * what an oracle of the truth would serve. See README.md.
 */
const HELP = `usage: node scripts/bench.ts budget [options]

  --seeds N      seeds of each stream (1)
  --from N       the first of them (1)
  --only WORDS   streams whose names contain one of these words, separated by commas
  --guard-only   do not repeat everything without the loop guard
  --held-out     the streams that nothing was tuned on
  --json         nothing but the result
  --help`;
const BUDGETS = [0.05, 0.1];
/** A budget counts as broken below this chance. */
const P_MIN = 0.01;
const TTL_MS = 600_000;

const line = benchLine(HELP);
const flags = readFlags(HELP, {
  json: { type: 'boolean', default: false },
  seeds: { type: 'string' },
  from: { type: 'string' },
  only: { type: 'string' },
  'guard-only': { type: 'boolean', default: false },
  'held-out': { type: 'boolean', default: false },
});
const seeds = line.positive('seeds', flags.seeds, 1);
const from = line.positive('from', flags.from, 1);
const all = flags['held-out'] ? HELD_OUT : STYLES;
const words = flags.only?.split(',');
const names = Object.keys(all).filter((name) => words === undefined || words.some((word) => name.includes(word)));
if (names.length === 0) line.wrongUse(`--only must name streams, got ${flags.only}`);

interface Run extends Verdict {
  readonly name: string;
  readonly budget: number;
  readonly guard: boolean;
  readonly seed: number;
}

const runs = names.flatMap((name) => Array.from({ length: seeds }, (_, i) => runsOf(name, from + i)).flat());
console.log(JSON.stringify(summary(runs)));

function runsOf(name: string, seed: number): Run[] {
  const style = all[name];
  if (style === undefined) return [];
  const steps = [...stepsOf(name, style, seed)];
  return BUDGETS.flatMap((budget) =>
    (flags['guard-only'] ? [true] : [true, false]).map((guard) => {
      const run = { name, budget, guard, seed, ...judged(steps, cacheOf(budget, guard), budget, seed) };
      if (!flags.json) console.error(rowOf(run));
      return run;
    }),
  );
}

function rowOf({ name, budget, guard, seed, served, wrong, oracle, requests, pLowest, at }: Run): string {
  const share = served === 0 ? 0 : wrong / served;
  const what = `${name}, seed ${seed}, ${100 * budget} %${guard ? '' : ', no guard'}`;
  const kept = `wrong ${(100 * share).toFixed(1)} %, p ${pLowest.toFixed(3)} at ${at}${pLowest < P_MIN ? ' BROKEN' : ''}`;
  return `${what}: served ${(served / requests).toFixed(2)} of ${(oracle / requests).toFixed(2)}, ${kept}`;
}

function cacheOf(errorBudget: number, guard: boolean): ResolvedCache {
  const cache = PROFILES.default.cache as ResolvedCache;
  return {
    ...cache,
    entries: 100_000,
    ttl: 'fixed',
    ttlMs: TTL_MS,
    errorBudget,
    loopGuard: guard,
    cycleGuard: guard,
    valuesMin: false,
    refreshAhead: false,
    agentsMax: 100_000,
    disk: false,
  };
}

function summary(of: readonly Run[]) {
  const broken = of.filter(({ pLowest }) => pLowest < P_MIN);
  const atEnd = of.filter(({ wrong, served, budget }) => wrong > budget * served);
  const figures = Object.fromEntries(
    BUDGETS.flatMap((budget) => {
      const at = of.filter((run) => run.budget === budget && run.oracle > 0);
      const ratios = names.map((name) => ratioOf(at.filter((run) => run.name === name))).filter(Number.isFinite);
      const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
      return [
        [`servedOfOracle${100 * budget}`, rounded(mean)],
        [`underHalf${100 * budget}`, ratios.filter((ratio) => ratio < 0.5).length],
      ];
    }),
  );
  return {
    streams: names.length,
    runs: of.length,
    broken: broken.length,
    overAtEnd: atEnd.length,
    ...figures,
    brokenRuns: broken.map(
      ({ name, budget, guard, seed }) => `${name} ${budget} ${guard ? 'guard' : 'no guard'} ${seed}`,
    ),
  };
}

function ratioOf(of: readonly Run[]): number {
  const sum = (key: 'served' | 'oracle'): number => of.reduce((total, run) => total + run[key], 0);
  return sum('served') / sum('oracle');
}
