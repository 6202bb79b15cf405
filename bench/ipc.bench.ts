import { parseArgs } from 'node:util';
import type { Figures, Settings } from './ipc/settings.ts';
import type { Say } from './store/rounds.ts';

/**
 * What the ways in to a planner cost: the event loop of a host beside an embedded planner, a peek from the host against a
 * call, cached plans over a socket against a bare echo, and over HTTP against a bare fastify route. See README.md.
 */
interface Section {
  run(settings: Settings, say: Say): Promise<Figures>;
}

const SECTIONS = {
  host: './ipc/sections/host.ts',
  lines: './ipc/sections/lines.ts',
  http: './ipc/sections/http.ts',
} as const;
type SectionName = keyof typeof SECTIONS;

const ROUNDS = 11;
const ROUNDS_QUICK = 2;
const SECONDS = 10;
const SECONDS_QUICK = 2;

const HELP = `usage: node scripts/bench.ts ipc [options]

  --quick         a run of some seconds that only shows that everything works
  --rounds N      rounds of each comparison (${ROUNDS})
  --seconds N     how long the host plans 2,000 times a second (${SECONDS})
  --only NAME,... of ${Object.keys(SECTIONS).join(', ')}
  --json          nothing but the result
  --help`;

/** The first figures of the result, in this order; others follow. */
const FIGURES = [
  'hostDelayP99Ms',
  'peekVsComlink',
  'socketVsEcho',
  'httpVsBare',
  'socketPlansPerSecond',
  'httpPlansPerSecond',
];

function wrongUse(message: string): never {
  console.error(`${message}\n\n${HELP}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        only: { type: 'string', default: Object.keys(SECTIONS).join(',') },
      },
    }).values;
  } catch (error) {
    return wrongUse((error as Error).message);
  }
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = Number(text ?? otherwise);
  return Number.isInteger(value) && value > 0 ? value : wrongUse(`--${name} must be a positive integer, got ${text}`);
}

const args = readArguments();
if (args.help) {
  console.log(HELP);
  process.exit();
}
const settings: Settings = {
  quick: args.quick,
  rounds: positive('rounds', args.rounds, args.quick ? ROUNDS_QUICK : ROUNDS),
  seconds: positive('seconds', args.seconds, args.quick ? SECONDS_QUICK : SECONDS),
};
const wanted = args.only.split(',');
const unknown = wanted.find((name) => !(name in SECTIONS));
if (unknown !== undefined) wrongUse(`--only must name sections, got ${unknown}`);

const say: Say = args.json ? () => {} : (line) => console.error(line);
const figures: Record<string, number> = {};
for (const name of Object.keys(SECTIONS) as SectionName[]) {
  if (!wanted.includes(name)) continue;
  const { run } = (await import(SECTIONS[name])) as Section;
  Object.assign(figures, await run(settings, say));
}
const first = FIGURES.filter((name) => name in figures);
const rest = Object.keys(figures).filter((name) => !FIGURES.includes(name));
const ordered = Object.fromEntries([...first, ...rest].map((name) => [name, figures[name]]));
console.log(JSON.stringify({ bench: 'ipc', ...ordered, rounds: settings.rounds }));
