import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { benchLine, inOrder, readFlags } from './command-line.ts';
import { type Figures, SECTIONS, type SectionName, type SectionOrder, type Settings } from './store/section.ts';

/**
 * The shared store against what one would use instead: reads from one thread, from two, and from a host; whole cached
 * plans; growth, size and eviction; and whether a reader ever sees half a decision. See README.md.
 */
const EXAMPLE_TRACE = fileURLToPath(new URL('../examples/skyrim.jsonl', import.meta.url));
/** 100,000,000 take minutes; see README.md for such a run. */
const TORN_READS = 10_000_000;
const TORN_READS_QUICK = 100_000;
const ROUNDS = 15;
const ROUNDS_QUICK = 2;

const HELP = `usage: node scripts/bench.ts store [options]

  --quick            a run of some seconds that only shows that everything works
  --rounds N         rounds of each comparison (${ROUNDS})
  --torn-reads N     reads against a writer at full speed (${TORN_READS})
  --trace FILE       a trace to replay for eviction; may be given several times (examples/skyrim.jsonl)
  --only NAME,...    of ${Object.keys(SECTIONS).join(', ')}
  --json             nothing but the result
  --help`;

/** The first figures of the result, in this order; others follow. */
const FIGURES = [
  'readVsMap',
  'readVsLruCache',
  'twoThreads',
  'torn',
  'hostReadVsComlink',
  'planVsLru',
  'peekVsLru',
  'growth',
  'readAtMillionVsLruCache',
  'bytesPerEntry',
  'evictionWorstPoints',
];

const line = benchLine(HELP);

/** `gc` for what is measured in bytes; a heap for a million entries. */
const FLAGS: Partial<Record<SectionName, string[]>> = {
  size: ['--expose-gc'],
  'growth-of-peers': ['--max-old-space-size=4096'],
  million: ['--max-old-space-size=6000'],
};

async function runSection(name: SectionName, settings: Settings): Promise<Figures> {
  const execArgv = [...process.execArgv, ...(FLAGS[name] ?? [])];
  const child = fork(new URL('store/section.ts', import.meta.url), { execArgv });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the section ${name} ended with ${signal ?? `code ${code}`}`);
  });
  child.send({ name, settings } satisfies SectionOrder);
  const [figures] = (await Promise.race([once(child, 'message'), ended])) as [Figures];
  ended.catch(() => {});
  return figures;
}

const args = readFlags(HELP, {
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  'torn-reads': { type: 'string' },
  trace: { type: 'string', multiple: true, default: [EXAMPLE_TRACE] },
  only: { type: 'string', default: Object.keys(SECTIONS).join(',') },
});
const settings: Settings = {
  quick: args.quick,
  json: args.json,
  rounds: line.positive('rounds', args.rounds, args.quick ? ROUNDS_QUICK : ROUNDS),
  tornReads: line.positive('torn-reads', args['torn-reads'], args.quick ? TORN_READS_QUICK : TORN_READS),
  traces: args.trace,
};
const wanted = line.only(args.only, Object.keys(SECTIONS));

const figures: Record<string, number> = {};
for (const name of Object.keys(SECTIONS) as SectionName[]) {
  if (wanted.includes(name)) Object.assign(figures, await runSection(name, settings));
}
console.log(JSON.stringify({ bench: 'store', ...inOrder(figures, FIGURES), rounds: settings.rounds }));
if ((figures.torn ?? 0) > 0) process.exitCode = 1;
