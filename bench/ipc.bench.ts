import { benchLine, inOrder, readFlags } from './command-line.ts';
import type { Figures, Settings } from './ipc/settings.ts';
import type { Say } from './store/rounds.ts';

/**
 * What the ways in to a planner cost: the event loop of a host beside an embedded planner, a peek from the host against a
 * call, cached plans over a socket against a bare echo, and over HTTP against a bare fastify route, and what chats and
 * decisions cost over the bare model server. See README.md.
 */
interface Section {
  run(settings: Settings, say: Say): Promise<Figures>;
}

const SECTIONS = {
  host: './ipc/sections/host.ts',
  lines: './ipc/sections/lines.ts',
  http: './ipc/sections/http.ts',
  decisions: './ipc/sections/decisions.ts',
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
  'chatOverhead',
  'decisionOverhead',
  'readOverhead',
];

const line = benchLine(HELP);

const args = readFlags(HELP, {
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  only: { type: 'string', default: Object.keys(SECTIONS).join(',') },
});
const settings: Settings = {
  quick: args.quick,
  json: args.json,
  rounds: line.positive('rounds', args.rounds, args.quick ? ROUNDS_QUICK : ROUNDS),
  seconds: line.positive('seconds', args.seconds, args.quick ? SECONDS_QUICK : SECONDS),
};
const wanted = line.only(args.only, Object.keys(SECTIONS));

const say: Say = args.json ? () => {} : (line) => console.error(line);
const figures: Record<string, number> = {};
for (const name of Object.keys(SECTIONS) as SectionName[]) {
  if (!wanted.includes(name)) continue;
  const { run } = (await import(SECTIONS[name])) as Section;
  Object.assign(figures, await run(settings, say));
}
console.log(JSON.stringify({ bench: 'ipc', ...inOrder(figures, FIGURES), rounds: settings.rounds }));
