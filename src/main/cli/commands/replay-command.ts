import { type Command, Option } from 'commander';
import { defined } from '../../../shared/defined.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { ResolvedCache } from '../../cache/cache-options.ts';
import { PROFILES } from '../../options/profiles.ts';
import { checkMemory } from '../../options/resolve-options.ts';
import { foresightReport, runForesight } from '../../replay/foresight/foresight-report.ts';
import type { ReplayOutcome } from '../../replay/replay.ts';
import { replayReport } from '../../replay/replay-report.ts';
import { runReplay } from '../../replay/run-replay.ts';
import type { ReadOptions } from '../../replay/take-records.ts';
import { isTraceFault } from '../../session/file-lines.ts';
import type { ReportTrace } from '../../session/report.ts';
import { openTrace, type Trace, traceOfDomain } from '../../session/trace-reader.ts';
import { type CliContext, printJson, printResult } from '../cli-context.ts';
import { EXIT, type ExitCode, failureLines, failureText, UsageError } from '../cli-error.ts';
import { addTraceFlags, numberFlag, traceOptions, wholeNumber } from '../server-flags.ts';
import { foresightText } from '../terminal/foresight-text.ts';
import { barTotal, openReplayProgress } from '../terminal/progress.ts';
import { replayText } from '../terminal/replay-text.ts';

interface ReplayFlags {
  readonly serve: 'first' | 'budget';
  readonly trust: 'earned' | 'always';
  readonly errorBudget?: number;
  readonly ttl: number;
  readonly entries: number;
  readonly check: number;
  readonly similar: boolean;
  readonly habit: boolean;
  readonly guard: boolean;
  readonly compareGuard?: boolean;
  readonly valuesMin?: number;
  readonly advice: boolean;
  readonly foresight?: boolean;
  readonly seed: number;
  readonly limit?: number;
  readonly skipInvalid?: boolean;
  readonly json?: boolean;
}

const CACHE = PROFILES.default.cache as ResolvedCache;
const ERROR_BUDGET = 0.05;
/** Enough for the replay to judge the cache, not its eviction. */
const ENTRIES = 100_000;
/** The initial value of a planner's adaptive TTL. Fixed here, so that two replays differ only by their flags. */
const TTL_SECONDS = CACHE.ttlMs / 1_000;
const AGENTS_MAX = 100_000;
const TTL_SECONDS_MAX = 1e9;
const shareFlag = numberFlag('a share from 0 to 1', (value) => value >= 0 && value <= 1);
const shareBelowOne = numberFlag('a share above 0 and below 1', (value) => value > 0 && value < 1);
const seconds = numberFlag(
  `a number of seconds from 0 to ${TTL_SECONDS_MAX}`,
  (value) => value >= 0 && value <= TTL_SECONDS_MAX,
);
const EXAMPLES = `
Examples:
  conclave replay trace.jsonl.gz                       how often the cache would answer, and be wrong
  conclave replay trace.jsonl.gz --trust always        the same, serving all near states
  conclave replay trace.jsonl.gz --ttl 0 --check 0 --no-similar --no-guard
                                                       a plain cache of exact states without expiry
  conclave replay *.jsonl.gz --serve budget --error-budget 0.1
                                                       what can be served if one in ten may be wrong
  conclave replay trace.jsonl.gz --serve budget --compare-guard
                                                       the same budget with and without the loop guard
  conclave replay trace.jsonl --values-min 0.85        with Q-values, as in a planner
  conclave replay trace.jsonl --foresight              how well the next requests can be foreseen, and whether it pays
  conclave replay trace.jsonl --json                   with every bucketing that was tried`;

export function addReplayCommand(
  program: Command,
  run: (flags: ReplayFlags, files: readonly string[]) => Promise<void>,
): void {
  const command = program
    .command('replay')
    .description(
      'Judge the cache by the recorded choices of a trace, without asking a model. What the cache does not serve, it learns. With --foresight, judge how well requests can be foreseen.',
    )
    .argument('<trace...>', 'trace files, plain or gzip, replayed one by one');
  addTraceFlags(command)
    .addOption(
      new Option('--serve <what>', 'serve the first remembered answer, or what an error budget allows')
        .choices(['first', 'budget'])
        .default('first'),
    )
    .addOption(
      new Option(
        '--trust <how>',
        'which answers may be served: those whose tier has earned it by agreeing with the recorded choices, or all',
      )
        .choices(['earned', 'always'])
        .default('earned'),
    )
    .option(
      '--error-budget <share>',
      `share of served answers that may be wrong, with --serve budget (default: ${ERROR_BUDGET})`,
      shareBelowOne,
    )
    .option(
      '--ttl <s>',
      'how long an answer is served, in seconds of the trace; 0 means for ever',
      seconds,
      TTL_SECONDS,
    )
    .option(
      '--entries <n>',
      `maximum number of remembered decisions; a planner keeps ${CACHE.entries} by default, a replay enough to evict none`,
      wholeNumber(1, 4_000_000),
      ENTRIES,
    )
    .option(
      '--check <rate>',
      'share of served answers that are also learned, as if checked in the background',
      shareFlag,
      CACHE.checkShare,
    )
    .option(
      '--values-min <share>',
      `lowest relative Q-value, from 0 (worst action) to 1 (best), at which an answer is served; a planner uses ${CACHE.valuesMin} (default: Q-values are ignored)`,
      shareFlag,
    )
    .option('--no-similar', 'serve only answers for exactly the same state')
    .option('--no-habit', 'with --serve budget, serve only answers for this state or a similar one')
    .option('--no-guard', 'also serve answers that have had no effect twice, or that keep an agent in a cycle')
    .option('--compare-guard', 'replay each trace twice: with the guard, then without it')
    .option('--no-advice', 'do not try other bucketings')
    .option(
      '--foresight',
      'judge foresight instead of the cache: how many requests are foreseen, how far ahead, and what models asked ahead would do',
    )
    .option('--seed <n>', 'seed that selects checks and probes', wholeNumber(0, 2 ** 32 - 1), 1)
    .option(
      '--limit <n>',
      'number of records to replay from each trace (default: all)',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--json', 'print each report as one JSON object, one line per trace')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: ReplayFlags) => run(flags, files));
}

/** What each replay of a command needs. */
interface Replaying {
  readonly context: CliContext;
  readonly flags: ReplayFlags;
  readonly withStack: boolean;
  readonly cache: ResolvedCache;
}

/** Replays each trace on a cache of its own. A trace that fails does not stop the others. */
export async function replayCommand(
  context: CliContext,
  flags: ReplayFlags,
  withStack: boolean,
  files: readonly string[],
): Promise<ExitCode> {
  const cache = resolveCache(flags);
  const caches = flags.compareGuard ? [true, false].map((guard) => withGuard(cache, guard)) : [cache];
  const replays = files.flatMap((file) => caches.map((judged) => ({ file, cache: judged })));
  let exit: ExitCode = EXIT.SUCCESS;
  for (const [index, { file, cache }] of replays.entries()) {
    if (context.signal.aborted) return EXIT.FAILURE;
    if (index > 0 && !flags.json) context.stdout.write('\n');
    if (!(await replayFile({ context, flags, withStack, cache }, file))) exit = EXIT.FAILURE;
  }
  return exit;
}

/** Returns true if the trace was replayed as far as requested. */
async function replayFile(replaying: Replaying, file: string): Promise<boolean> {
  const { context, flags, withStack } = replaying;
  try {
    await using trace = await openTrace(file, traceOptions(context, flags));
    const names = Object.keys(trace.domains);
    if (names.length === 1) return await replayTrace(replaying, trace);
    let isDone = true;
    for (const name of names) {
      await using again = await openTrace(file, traceOptions(context, flags));
      isDone = (await replayTrace(replaying, traceOfDomain(again, name))) && isDone;
    }
    return isDone;
  } catch (error) {
    // Interrupted while the file was being opened, so it seems to have no header.
    if (context.signal.aborted) return false;
    if (!isTraceFault(error)) throw error;
    if (flags.json) printJson(context, { trace: { file }, error: failureText(error) });
    context.stderr.write(failureLines(error, withStack));
    return false;
  }
}

/** Replays the records of one domain. */
async function replayTrace(replaying: Replaying, trace: Trace): Promise<boolean> {
  const { context, flags, withStack } = replaying;
  const { fault, interrupted } = await (flags.foresight
    ? judgeForesight(replaying, trace)
    : judgeCache(replaying, trace));
  if (fault !== undefined) context.stderr.write(failureLines(fault, withStack));
  return fault === undefined && !interrupted;
}

/** How the replay of one trace ended. */
interface Ended {
  readonly interrupted: boolean;
  readonly fault?: PlannerError | undefined;
}

/** Judges the cache, and prints the report. */
async function judgeCache({ context, flags, cache }: Replaying, trace: Trace): Promise<Ended> {
  const { seed, advice } = flags;
  const run = await withProgress(context, flags, trace, (options) =>
    runReplay(trace.records(), trace.domain, { ...options, cache, seed, advice }),
  );
  const fault = run.fault ?? unjudgeable(run.outcome, run.interrupted, trace.file);
  const report = replayReport(run, { trace: namedTrace(trace), cache, ...defined({ fault }) });
  printResult(context, flags.json, report, () => replayText(report, run.seconds));
  return { fault, interrupted: run.interrupted };
}

/** Judges foresight, and prints the report. */
async function judgeForesight({ context, flags }: Replaying, trace: Trace): Promise<Ended> {
  const run = await withProgress(context, flags, trace, (options) =>
    runForesight(trace.records(), trace.domain, options),
  );
  const fault = run.fault ?? unjudgeable(run.outcome, run.interrupted, trace.file);
  const report = foresightReport(run, namedTrace(trace), fault);
  printResult(context, flags.json, report, () => foresightText(report));
  return { fault, interrupted: run.interrupted };
}

async function withProgress<T>(
  context: CliContext,
  { limit }: ReplayFlags,
  { file }: Trace,
  run: (options: ReadOptions) => Promise<T>,
): Promise<T> {
  const { clock, signal } = context;
  using progress = openReplayProgress(context, await barTotal(context, file, limit));
  return await run({ clock, signal, onRecord: () => progress.onRecord(), ...defined({ limit }) });
}

function namedTrace({ file, header, skipped }: Trace): ReportTrace {
  return { file, name: header.name, ...defined({ skipped }) };
}

function unjudgeable(
  { decisions, unjudged }: Pick<ReplayOutcome, 'decisions' | 'unjudged'>,
  interrupted: boolean,
  file: string,
): PlannerError | undefined {
  if (decisions > 0 || unjudged === 0 || interrupted) return undefined;
  const records = unjudged === 1 ? 'its one record' : `any of its ${unjudged} records`;
  return new PlannerError(
    'ERR_TRACE_INVALID',
    `${file}: nothing can be judged: chosen must be one of the actions in ${records}, got none that is`,
  );
}

function resolveCache(flags: ReplayFlags): ResolvedCache {
  const { serve, trust, errorBudget, ttl, entries, check, similar, habit, guard, valuesMin } = flags;
  if (errorBudget !== undefined && serve !== 'budget') {
    throw new UsageError(
      `--error-budget must be left out unless --serve is budget, got ${errorBudget} with --serve ${serve}`,
    );
  }
  if (flags.foresight && flags.compareGuard) {
    throw new UsageError('--compare-guard must be left out with --foresight, which does not replay a cache, got both');
  }
  checkMemory(entries, '--entries');
  return {
    ...CACHE,
    entries,
    ttl: 'fixed',
    ttlMs: ttl === 0 ? Number.POSITIVE_INFINITY : 1_000 * ttl,
    similar: similar && CACHE.similar,
    checkShare: check,
    errorBudget: serve === 'budget' && (errorBudget ?? ERROR_BUDGET),
    habit,
    loopGuard: guard,
    cycleGuard: guard,
    trust,
    // Only if requested: frequent choices usually followed the values, so they would judge themselves.
    valuesMin: valuesMin ?? false,
    // Served states are learned by checks alone.
    refreshAhead: false,
    agentsMax: AGENTS_MAX,
    disk: false,
  };
}

function withGuard(cache: ResolvedCache, guard: boolean): ResolvedCache {
  return { ...cache, loopGuard: guard, cycleGuard: guard };
}
