import { type Command, InvalidArgumentError, Option } from 'commander';
import { PlannerError } from '../../shared/errors.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import { PROFILES } from '../options/profiles.ts';
import { checkMemory } from '../options/resolve-options.ts';
import { replayReport } from '../replay/replay-report.ts';
import { type ReplayRun, type ReplayRunOptions, runReplay } from '../replay/run-replay.ts';
import { openTrace, type Trace } from '../session/trace-reader.ts';
import { type CliContext, printJson } from './cli-context.ts';
import { EXIT, type ExitCode, failureLines, failureText, UsageError } from './cli-error.ts';
import { barTotal } from './progress-bar.ts';
import { openReplayProgress } from './replay-progress.ts';
import { replayText } from './replay-text.ts';
import { addTraceFlags, traceOptions, wholeNumber } from './server-flags.ts';
import { shown } from './text.ts';

export interface ReplayFlags {
  readonly serve: 'first' | 'budget';
  readonly trust: 'earned' | 'always';
  readonly errorBudget?: number;
  readonly ttl: number;
  readonly entries: number;
  readonly check: number;
  readonly similar: boolean;
  readonly guard: boolean;
  readonly valuesMin?: number;
  readonly advice: boolean;
  readonly seed: number;
  readonly limit?: number;
  readonly skipInvalid?: boolean;
  readonly json?: boolean;
}

const CACHE = PROFILES.default.cache as ResolvedCache;
const ERROR_BUDGET = 0.05;
/** The trace is judged and not eviction. */
const ENTRIES = 100_000;
/** Where a planner's adaptive TTL starts; here it stays, so that two replays differ by what was told and by nothing else. */
const TTL_SECONDS = CACHE.ttlMs / 1_000;
const AGENTS_MAX = 100_000;
const TTL_SECONDS_MAX = 1e9;
const EXAMPLES = `
Examples:
  conclave replay trace.jsonl.gz                       how often the cache would serve, and be wrong
  conclave replay trace.jsonl.gz --trust always        the same with whatever is near enough
  conclave replay trace.jsonl.gz --ttl 0 --check 0 --no-similar --no-guard
                                                       a plain cache of exact states that forgets nothing
  conclave replay *.jsonl.gz --serve budget --error-budget 0.1
                                                       what can be served with one in ten wrong
  conclave replay trace.jsonl --values-min 0.85        recorded Q-values contradict or confirm, as in a planner
  conclave replay trace.jsonl --json                   with every change of the bucketing that was tried`;

export function addReplayCommand(
  program: Command,
  run: (flags: ReplayFlags, files: readonly string[]) => Promise<void>,
): void {
  const command = program
    .command('replay')
    .description(
      'Judge the cache alone against what was really chosen in a trace; no model is asked. What is not served is learned.',
    )
    .argument('<trace...>', 'trace files, plain or gzip; each is replayed on its own');
  addTraceFlags(command)
    .addOption(
      new Option('--serve <what>', 'the first answer remembered, or what an error budget allows')
        .choices(['first', 'budget'])
        .default('first'),
    )
    .addOption(
      new Option(
        '--trust <how>',
        'what may serve: what has earned it by agreeing with the record, or all that is found',
      )
        .choices(['earned', 'always'])
        .default('earned'),
    )
    .option(
      '--error-budget <share>',
      `share of the served that may be wrong, with --serve budget (default: ${ERROR_BUDGET})`,
      shareBelowOne,
    )
    .option('--ttl <s>', 'how long an answer is served, seconds of the trace; 0: no expiry', seconds, TTL_SECONDS)
    .option(
      '--entries <n>',
      `decisions kept; a planner keeps ${CACHE.entries} unless told otherwise, here eviction is to play no part`,
      wholeNumber(1, 4_000_000),
      ENTRIES,
    )
    .option(
      '--check <rate>',
      'share of what is served that is learned too, as if checked in the background',
      share,
      CACHE.checkShare,
    )
    .option(
      '--values-min <share>',
      `serve only what the recorded Q-values place at least that far from the worst action to the best one; a planner asks for ${CACHE.valuesMin} (default: values have no say)`,
      share,
    )
    .option('--no-similar', 'serve only from exactly equal states')
    .option('--no-guard', 'do not hold back an answer that had no effect twice, or that its agent goes round with')
    .option('--no-advice', 'try no changes of the bucketing')
    .option('--seed <n>', 'what checks and probes are drawn from', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--limit <n>', 'records of each trace to replay (default: all)', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'print the report as one JSON object, one line a trace')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: ReplayFlags) => run(flags, files));
}

/** Each trace is replayed on a cache of its own. One that cannot be replayed does not keep the others from it. */
export async function replayCommand(
  context: CliContext,
  flags: ReplayFlags,
  withStack: boolean,
  files: readonly string[],
): Promise<ExitCode> {
  const cache = resolveCache(flags);
  let exit: ExitCode = EXIT.SUCCESS;
  for (const [index, file] of files.entries()) {
    if (context.signal.aborted) return EXIT.FAILURE;
    if (index > 0 && !flags.json) context.stdout.write('\n');
    if (!(await replayFile(context, flags, cache, withStack, file))) exit = EXIT.FAILURE;
  }
  return exit;
}

/** Whether the trace was replayed as far as was asked. */
async function replayFile(
  context: CliContext,
  flags: ReplayFlags,
  cache: ResolvedCache,
  withStack: boolean,
  file: string,
): Promise<boolean> {
  try {
    await using trace = await openTrace(file, traceOptions(context, flags));
    const run = await play(context, flags, cache, trace);
    const fault = run.fault ?? unjudgeable(run, file);
    const { skipped, header } = trace;
    const named = { file, name: header.name, ...(skipped === undefined ? {} : { skipped }) };
    const subject = { trace: named, cache, ...(fault === undefined ? {} : { fault }) };
    const report = replayReport(run, subject);
    if (flags.json) printJson(context, report);
    else context.stdout.write(shown(replayText(report, run.seconds)));
    if (fault !== undefined) context.stderr.write(failureLines(fault, withStack));
    return fault === undefined && !run.interrupted;
  } catch (error) {
    // An interrupt while the file was being opened: it seems to have no header.
    if (context.signal.aborted) return false;
    if (!(error instanceof PlannerError && error.code === 'ERR_TRACE_INVALID')) throw error;
    if (flags.json) printJson(context, { trace: { file }, error: failureText(error) });
    context.stderr.write(failureLines(error, withStack));
    return false;
  }
}

async function play(context: CliContext, flags: ReplayFlags, cache: ResolvedCache, trace: Trace): Promise<ReplayRun> {
  const { clock, signal } = context;
  const { seed, limit, advice } = flags;
  using progress = openReplayProgress(context, await barTotal(context, trace.file, limit));
  const options: ReplayRunOptions = {
    cache,
    seed,
    advice,
    clock,
    signal,
    onRecord: () => progress.onRecord(),
    ...(limit === undefined ? {} : { limit }),
  };
  return await runReplay(trace.records(), trace.domain, options);
}

function unjudgeable({ outcome, interrupted }: ReplayRun, file: string): PlannerError | undefined {
  const { decisions, unjudged } = outcome;
  if (decisions > 0 || unjudged === 0 || interrupted) return undefined;
  const records = unjudged === 1 ? 'its one record' : `any of its ${unjudged} records`;
  return new PlannerError(
    'ERR_TRACE_INVALID',
    `${file}: nothing can be judged: chosen must be one of the actions in ${records}, got none that is`,
  );
}

function resolveCache(flags: ReplayFlags): ResolvedCache {
  const { serve, trust, errorBudget, ttl, entries, check, similar, guard, valuesMin } = flags;
  if (errorBudget !== undefined && serve !== 'budget') {
    throw new UsageError(
      `--error-budget must be left out unless --serve is budget, got ${errorBudget} with --serve ${serve}`,
    );
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
    loopGuard: guard,
    cycleGuard: guard,
    trust,
    // Only where it is asked for: what was chosen often is what the values said, so they would judge themselves.
    valuesMin: valuesMin ?? false,
    // What was served is learned by checks alone.
    refreshAhead: false,
    agentsMax: AGENTS_MAX,
    disk: false,
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a share from 0 to 1.');
}

function shareBelowOne(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError('It must be a share above 0 and below 1.');
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= TTL_SECONDS_MAX) return value;
  throw new InvalidArgumentError(`It must be a number of seconds from 0 to ${TTL_SECONDS_MAX}.`);
}
