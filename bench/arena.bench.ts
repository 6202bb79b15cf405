import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { FEATURE_NAMES } from '../src/main/options/features.ts';
import { CONTESTANT_NAMES, type ContestantName, type Features } from './arena/contestants.ts';
import { LATENCIES, type Latency } from './arena/model-server.ts';
import type { Cell } from './arena/play-seed.ts';
import { runCells } from './arena/runner.ts';
import { tableOf } from './arena/table.ts';
import { judge } from './arena/verdict.ts';
import { GAMES, STEPS } from './arena/world.ts';
import { WORLDS } from './arena/worlds/worlds.ts';
import { benchLine } from './command-line.ts';
import { rounded } from './figures.ts';

const HELP = `Games in real time, played by a planner, by plain loops, and by players that show what could be reached.
Virtual time: the same seed gives the same figures on any machine.

  --seeds N             how many, default 32 (with --quick 3)
  --quick               few seeds and cells
  --worlds LIST         of ${Object.keys(WORLDS).join(', ')}
  --ratios LIST         time of a step over the mean time of a call, of 0.25, 0.5, 1, 2, 4
  --latency LIST        of ${LATENCIES.join(', ')}
  --values LIST         whether requests have Q-values, of no, yes
  --contestants LIST    of ${CONTESTANT_NAMES.join(', ')}; default all. planner and default always play
  --features LIST       of the planner, as panelFit=false
  --jobs N              threads, default the number of processors`;

const { wrongUse, positive } = benchLine(HELP);

const { values: args } = parseArgs({
  options: {
    seeds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    worlds: { type: 'string' },
    ratios: { type: 'string' },
    latency: { type: 'string' },
    values: { type: 'string' },
    contestants: { type: 'string' },
    features: { type: 'string' },
    jobs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (args.help) {
  console.log(HELP);
  process.exit(0);
}

const RATIOS = ['0.25', '0.5', '1', '2', '4'];
const QUICK_RATIOS = '0.5,1,4';

function listed<T extends string>(name: string, text: string | undefined, known: readonly T[]): readonly T[] {
  if (text === undefined) return known;
  const wanted = text.split(',').map((each) => each.replace(/^\./, '0.'));
  const unknown = wanted.find((each) => !(known as readonly string[]).includes(each));
  return unknown === undefined ? (wanted as T[]) : wrongUse(`--${name} must be of ${known.join(', ')}, got ${unknown}`);
}

function featuresOf(text: string | undefined): Features {
  const pairs = (text ?? '').split(',').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, value] = pair.split('=');
      const isKnown = (FEATURE_NAMES as readonly string[]).includes(name as string);
      if (!isKnown || (value !== 'true' && value !== 'false'))
        wrongUse(`--features must be pairs of a feature and true or false, got ${pair}`);
      return [name, value === 'true'];
    }),
  );
}

const seedCount = positive('seeds', args.seeds, args.quick ? 3 : 32);
const latencies = listed<Latency>('latency', args.latency, LATENCIES);
const cells: Cell[] = listed('worlds', args.worlds, Object.keys(WORLDS)).flatMap((world) =>
  listed('ratios', args.ratios ?? (args.quick ? QUICK_RATIOS : undefined), RATIOS).flatMap((ratio) =>
    latencies.flatMap((latency) =>
      listed('values', args.values, ['no', 'yes']).map((values) => ({
        world,
        ratio: Number(ratio),
        latency,
        values: values === 'yes',
      })),
    ),
  ),
);
const wanted = new Set<ContestantName>([
  'default',
  'planner',
  ...listed('contestants', args.contestants, CONTESTANT_NAMES),
]);

const startedAt = performance.now();
let toldAt = startedAt;
const results = await runCells({
  cells,
  contestants: CONTESTANT_NAMES.filter((name) => wanted.has(name)),
  seeds: Array.from({ length: seedCount }, (_, index) => index + 1),
  features: featuresOf(args.features),
  threads: positive('jobs', args.jobs, availableParallelism()),
  onProgress: (done, of) => {
    if (performance.now() - toldAt < 5_000 && done < of) return;
    toldAt = performance.now();
    process.stderr.write(`arena: ${done} of ${of} after ${((toldAt - startedAt) / 1_000).toFixed(0)} s\n`);
  },
});
const verdict = judge(results, GAMES * STEPS);
console.log(tableOf(verdict));
const figures = <T extends object>(of: T): T =>
  Object.fromEntries(
    Object.entries(of).map(([key, value]) => [
      key,
      typeof value === 'number'
        ? key === 'lossP'
          ? Number(value.toPrecision(3))
          : rounded(value)
        : value !== null && typeof value === 'object'
          ? figures(value)
          : value,
    ]),
  ) as T;
console.log(
  JSON.stringify({
    bench: 'arena',
    cells: verdict.cells.map(figures),
    significantLosses: verdict.significantLosses,
    worstLossShare: rounded(verdict.worstLossShare),
    worstVsBound: verdict.worstVsBound === null ? null : rounded(verdict.worstVsBound),
    seeds: seedCount,
  }),
);
