import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { FEATURE_NAMES } from '../src/main/options/features.ts';
import { CONTESTANT_NAMES, type ContestantName, contestant, type Features } from './arena/contestants.ts';
import { LATENCIES, type Latency } from './arena/model-server.ts';
import type { Cell } from './arena/play-seed.ts';
import type { ReadKind } from './arena/policy.ts';
import { judgeReads, readTableOf, withReads } from './arena/read-verdict.ts';
import { runCells } from './arena/runner.ts';
import { playSockets, SOCKET_CONTESTANTS, type SocketResult } from './arena/sockets/play-sockets.ts';
import { tableOf } from './arena/table.ts';
import { judge } from './arena/verdict.ts';
import { GAMES, STEPS } from './arena/world.ts';
import { WORLDS } from './arena/worlds/worlds.ts';
import { benchLine } from './command-line.ts';
import { rounded } from './figures.ts';

const HELP = `Games in real time, played by a planner, by plain loops, and by players that show what could be reached.
Virtual time: the same seed gives the same figures on any machine.

  --seeds N             how many, default 32 (with --quick 3)
  --first-seed N        the first of them, default 1: for seeds that nothing was chosen by
  --quick               few seeds and cells
  --worlds LIST         of ${Object.keys(WORLDS).join(', ')}
  --ratios LIST         time of a step over the mean time of a call, of 0.25, 0.5, 1, 2, 4
  --latency LIST        of ${LATENCIES.join(', ')}
  --values LIST         whether requests have Q-values, of no, yes
  --contestants LIST    of ${CONTESTANT_NAMES.join(', ')}; default all but toldOnce and
                        toldPlanner, whose host tells one step early. planner and default always play
  --features LIST       of the planner, as panelFit=false
  --reads               the planner alone, where the server writes, and where it can also be read: in .1, .5 and .9 of the
                        time of a call, as well as it writes, half as well, and noise; --seeds default 8
  --read-shares LIST    of 0.1, 0.5, 0.9
  --read-skills LIST    of 1, 0.5, 0
  --read-bias N         how much reads prefer some places of the list, as the spread of a logit, default 0
  --jobs N              threads, default the number of processors
  --sockets             the check: three games of each world at T = L (or --worlds, --ratios) in real time, L = 200 ms, over
                        real sockets and with real threads, beside the same games in virtual time; --seeds default 1, at most 8`;

const { wrongUse, positive } = benchLine(HELP);

const { values: args } = parseArgs({
  options: {
    seeds: { type: 'string' },
    'first-seed': { type: 'string' },
    quick: { type: 'boolean', default: false },
    worlds: { type: 'string' },
    ratios: { type: 'string' },
    latency: { type: 'string' },
    values: { type: 'string' },
    contestants: { type: 'string' },
    features: { type: 'string' },
    jobs: { type: 'string' },
    reads: { type: 'boolean', default: false },
    'read-shares': { type: 'string' },
    'read-skills': { type: 'string' },
    'read-bias': { type: 'string', default: '0' },
    sockets: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (args.help) {
  console.log(HELP);
  process.exit(0);
}

const RATIOS = ['0.25', '0.5', '1', '2', '4'];
const QUICK_RATIOS = '0.5,1,4';
const READ_SHARES = ['0.1', '0.5', '0.9'];
const READ_SKILLS = ['1', '0.5', '0'];
const SOCKET_SEEDS_MAX = 8;

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

const worlds = listed('worlds', args.worlds, Object.keys(WORLDS));
const features = featuresOf(args.features);
if (args.sockets) {
  await checkSockets();
  process.exit();
}
/** Three decimals, but of probabilities three digits. */
function figures<T extends object>(of: T): T {
  const figure = (key: string, value: unknown): unknown => {
    if (typeof value === 'number') return key === 'lossP' ? Number(value.toPrecision(3)) : rounded(value);
    return value !== null && typeof value === 'object' ? figures(value) : value;
  };
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, figure(key, value)])) as T;
}

const seedCount = positive('seeds', args.seeds, args.quick ? 3 : args.reads ? 8 : 32);
const firstSeed = positive('first-seed', args['first-seed'], 1);
const ratios = listed('ratios', args.ratios ?? (args.quick ? QUICK_RATIOS : undefined), RATIOS);
const latencies = listed<Latency>('latency', args.latency, LATENCIES);
const withValues = listed('values', args.values, ['no', 'yes']);
const cells: Cell[] = worlds.flatMap((world) =>
  ratios.flatMap((ratio) =>
    latencies.flatMap((latency) =>
      withValues.map((values) => ({ world, ratio: Number(ratio), latency, values: values === 'yes' })),
    ),
  ),
);
const wanted = new Set<ContestantName>([
  'default',
  'planner',
  ...listed('contestants', args.contestants, CONTESTANT_NAMES).filter(
    (name) => args.contestants !== undefined || contestant(name).isOptional !== true,
  ),
]);

function readKinds(): ReadKind[] {
  const labelBias = Number(args['read-bias']);
  if (!(labelBias >= 0)) wrongUse(`--read-bias must be a number of at least 0, got ${args['read-bias']}`);
  const shares = listed('read-shares', args['read-shares'], READ_SHARES);
  const skills = listed('read-skills', args['read-skills'], READ_SKILLS);
  return skills.flatMap((skill) => shares.map((share) => ({ share: Number(share), skill: Number(skill), labelBias })));
}

/** One contestant after the other has a machine to itself; they play side by side, for they mostly wait. */
async function checkSockets(): Promise<void> {
  const count = Math.min(positive('seeds', args.seeds, 1), SOCKET_SEEDS_MAX);
  const played: (SocketResult & { readonly world: string; readonly ratio: number; readonly seed: number })[] = [];
  for (const world of worlds) {
    for (const ratio of listed('ratios', args.ratios ?? '1', RATIOS)) {
      const cell: Cell = { world, ratio: Number(ratio), latency: 'independent', values: false };
      for (let seed = 1; seed <= count; seed++) {
        process.stderr.write(`arena: ${world}, T/L ${ratio}, seed ${seed} over sockets …\n`);
        const results = await Promise.all(SOCKET_CONTESTANTS.map((name) => playSockets(cell, name, seed, features)));
        for (const result of results) {
          played.push({ world, ratio: cell.ratio, seed, ...result });
          const { name, score, virtual, lateMax } = result;
          const late = lateMax === undefined ? '' : `, at most ${lateMax.toFixed(1)} ms late`;
          console.log(
            `${world.padEnd(9)} ${ratio.padStart(4)}  seed ${seed}  ${name.padEnd(10)} ${score.toFixed(1).padStart(6)} over sockets, ${virtual.toFixed(1).padStart(6)} in virtual time${late}`,
          );
        }
      }
    }
  }
  console.log(JSON.stringify({ bench: 'arena', sockets: played.map(figures) }));
}

const startedAt = performance.now();
let toldAt = startedAt;
const results = await runCells({
  cells: args.reads ? [...cells, ...withReads(cells, readKinds())] : cells,
  contestants: args.reads ? ['planner'] : CONTESTANT_NAMES.filter((name) => wanted.has(name)),
  seeds: Array.from({ length: seedCount }, (_, index) => firstSeed + index),
  features,
  threads: positive('jobs', args.jobs, availableParallelism()),
  onProgress: (done, of) => {
    if (performance.now() - toldAt < 5_000 && done < of) return;
    toldAt = performance.now();
    process.stderr.write(`arena: ${done} of ${of} after ${((toldAt - startedAt) / 1_000).toFixed(0)} s\n`);
  },
});
if (args.reads) {
  const verdict = judgeReads(results, GAMES * STEPS);
  console.log(readTableOf(verdict));
  console.log(JSON.stringify({ bench: 'arena', ...figures(verdict), seeds: seedCount }));
  process.exit();
}
const verdict = judge(results, GAMES * STEPS);
console.log(tableOf(verdict));
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
