import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { defined } from '../../../shared/defined.ts';
import type { Domain } from '../../../shared/domain.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { NamedDomains } from '../../../shared/named-domain.ts';
import type { ShownPlan } from '../../monitor/latest-plans.ts';
import { Monitor } from '../../monitor/monitor.ts';
import { reportPage } from '../../page/report-page.ts';
import { type Config, type LoadedConfig, loadConfig } from '../../service/config/config-file.ts';
import { type ReportSubject, type SessionReport, sessionReport } from '../../session/report.ts';
import { runSession, type SessionOptions, type SessionOutcome } from '../../session/session.ts';
import { openTrace, type Trace, type TraceRecord } from '../../session/trace-reader.ts';
import { TraceWriter } from '../../session/trace-writer.ts';
import { type CliContext, note, printResult } from '../cli-context.ts';
import { EXIT, type ExitCode, failureLines, UsageError } from '../cli-error.ts';
import { collectExpected, type Expected, openExpectations } from '../expectations.ts';
import { domainsOf, type Kinds } from '../kinds.ts';
import { openPlannerHost, type PlannerHost } from '../planner-host.ts';
import { openReportFile, placeOf } from '../report-target.ts';
import {
  addServerFlags,
  addTraceFlags,
  type ServerFlags,
  traceOptions,
  wallTime,
  wholeNumber,
} from '../server-flags.ts';
import { barTotal, openProgress, SILENT } from '../terminal/progress.ts';
import { reportSide, reportText } from '../terminal/report-text.ts';

interface SessionFlags extends ServerFlags {
  readonly limit?: number;
  readonly skipInvalid?: boolean;
  readonly concurrency: number;
  readonly for?: number;
  readonly expect?: readonly Expected[];
  readonly record?: string;
  readonly report?: string;
  readonly json?: boolean;
}

const CONCURRENCY_MAX = 1_024;
/** Keeps every sample of the first minute; in longer sessions, neighbouring samples are merged. */
const SESSION_SAMPLES = { intervalMs: 100, samplesMax: 600, whenFull: 'thin' } as const;
const EXAMPLES = `
Examples:
  conclave session                                     the example trace on the simulated server
  conclave session trace.jsonl.gz --limit 300 --json   part of a trace, the report as JSON
  conclave session --endpoint http://localhost:1234/v1 with the models of LM Studio
  conclave session --endpoint http://localhost:11434/v1 --model qwen3:4b --model phi4-mini --record run.jsonl.gz
  conclave session --report run.html --json >run.json  a page with charts, and a file for "conclave compare"
  conclave session --for 5m --expect published         a long run; exits with 1 if a published criterion is not met
  conclave session --expect 'hitRate>0.3' --expect 'planningMs.mean<8s' --expect 'afterWarmUp.timeouts<5%'`;

export function addSessionCommand(program: Command, run: (flags: SessionFlags, file?: string) => Promise<void>): void {
  const command = program
    .command('session')
    .description('Plan every request of a trace, and print a report.')
    .argument('[trace]', 'trace file, plain or gzip (default: the example in the package)');
  addTraceFlags(addServerFlags(command))
    .option(
      '--limit <n>',
      'number of requests to run, in each lap with --for (default: all)',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--concurrency <n>', 'number of agents to plan for at once', wholeNumber(1, CONCURRENCY_MAX), 8)
    .option('--for <time>', 'repeat the trace for this long, such as 90s, 5m or 1h', wallTime)
    .option(
      '--expect <criterion>',
      'exit with 1 unless a figure of the JSON report meets this bound (repeatable): hitRate>0.3, planningMs.mean<8s, fallbacks<5%; warmUp.hitRate>30% for the first 100 plans, afterWarmUp.hitRate>50% for those after them; "published" for the published criteria. Only the first lap counts',
      collectExpected,
    )
    .option(
      '--record <file>',
      'write the trace with the planned actions (gzip if it ends in .gz); with --for, the first lap',
    )
    .option('--report <file>', 'write the report to one HTML page, with charts')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, flags: SessionFlags) => run(flags, file));
}

export async function sessionCommand(
  context: CliContext,
  flags: SessionFlags,
  withStack: boolean,
  given?: string,
): Promise<ExitCode> {
  const file = given ?? exampleTrace(context);
  checkTargets(context, file, flags);
  await using trace = await openTrace(file, traceOptions(context, flags));
  await using page = await openReportFile(context, flags.report);
  const loaded = await loadConfig(context.cwd, flags.config);
  const kinds = kindsOf(trace, loaded);
  const { faults, interrupted, report, plans } = await play(context, flags, trace, loaded, kinds);
  printResult(context, flags.json, report, () => reportText(report));
  await page?.write(
    await reportPage(`Session ${report.trace.name}`, { kind: 'session', side: reportSide(report), plans }),
  );
  for (const fault of faults) context.stderr.write(failureLines(fault, withStack));
  const isMissed = report.expect?.met === false;
  return faults.length > 0 || interrupted || isMissed ? EXIT.FAILURE : EXIT.SUCCESS;
}

interface Played {
  readonly report: SessionReport;
  readonly plans: readonly ShownPlan[];
  readonly interrupted: boolean;
  /** Errors that ended the session early or made its recording incomplete. The report shows the first. */
  readonly faults: readonly Error[];
}

/** Runs the trace on a planner of its own, and closes everything that this needs. */
async function play(
  context: CliContext,
  flags: SessionFlags,
  trace: Trace,
  loaded: LoadedConfig | undefined,
  kinds: Kinds,
): Promise<Played> {
  await using host = await openPlannerHost(context, flags, loaded, kinds);
  const domains = domainsOf(kinds);
  const report = (outcome: SessionOutcome, more: ReportExtras = {}) => reportOf(outcome, host, trace, more);
  const { judged, ...watch } = openExpectations(flags.expect, report);
  const total = await totalOf(context, flags, trace);
  const writer = await openWriter(flags, trace, kinds);
  using monitor = new Monitor(host.planner, context.clock, SESSION_SAMPLES);
  const outcome = await runOn(context, flags, host, trace.records(domains), total, {
    ...sessionOptions(context, flags, host, writer),
    ...lapsOf(context, flags, trace, domains),
    ...watch,
  });
  monitor.sampleNow();
  const faults = [outcome.fault, await closeFault(writer)].filter((fault) => fault !== undefined);
  const [fault] = faults;
  const ended = { ...outcome, ...defined({ fault }) };
  const whole = report(ended, { series: monitor.series(), ...judged() });
  return { report: whole, plans: monitor.plans(), interrupted: outcome.interrupted, faults };
}

/** The number of plans, for a bar; undefined if there is no bar, or if only the time ends the session. */
async function totalOf(context: CliContext, flags: SessionFlags, { file }: Trace): Promise<number | undefined> {
  return flags.json || flags.for !== undefined ? undefined : barTotal(context, file, flags.limit);
}

async function runOn(
  context: CliContext,
  flags: SessionFlags,
  host: PlannerHost,
  records: AsyncIterable<TraceRecord>,
  total: number | undefined,
  options: SessionOptions,
): Promise<SessionOutcome> {
  using progress = flags.json ? SILENT : openProgress(context, total);
  return await runSession(host.planner, records, { ...options, onPlan: (plan) => progress.onPlan(plan) });
}

/** Each lap reads the trace again. Broken lines are counted in the first lap. */
function lapsOf(
  context: CliContext,
  flags: SessionFlags,
  { file }: Trace,
  domains: NamedDomains<Domain>,
): Pick<SessionOptions, 'laps'> {
  const { for: forMs } = flags;
  if (forMs === undefined) return {};
  const again = async function* (): AsyncGenerator<TraceRecord, void, undefined> {
    await using trace = await openTrace(file, traceOptions(context, flags));
    yield* trace.records(domains);
  };
  return { laps: { forMs, again } };
}

type ReportExtras = Pick<ReportSubject, 'series' | 'expect'>;

/** A failed recording does not affect the report. */
async function closeFault(writer: TraceWriter | undefined): Promise<Error | undefined> {
  try {
    await writer?.close();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function reportOf(
  outcome: SessionOutcome,
  { planner, server }: PlannerHost,
  { file, header, skipped }: Trace,
  extras: ReportExtras,
): SessionReport {
  const named = { file, name: header.name, ...defined({ skipped }) };
  return sessionReport(outcome, planner.stats(), { trace: named, server, ...extras });
}

function sessionOptions(
  context: CliContext,
  { concurrency, limit }: SessionFlags,
  { maxInFlight }: PlannerHost,
  writer: TraceWriter | undefined,
): SessionOptions {
  const { clock, signal } = context;
  if (concurrency > maxInFlight) note(context, `--concurrency ${concurrency} is cut to ${maxInFlight} (maxInFlight)`);
  return {
    concurrency: Math.min(concurrency, maxInFlight),
    clock,
    signal,
    ...defined({ limit, writer }),
  };
}

async function openWriter(
  { record }: SessionFlags,
  { header, domain: own }: Trace,
  kinds: Kinds,
): Promise<TraceWriter | undefined> {
  if (record === undefined) return undefined;
  const { name, licence } = header;
  const { all, only } = domainsOf(kinds);
  // The header as it is, if nothing else was configured.
  const domain = only === own ? header.domain : only;
  const of = domain === undefined ? { domains: Object.fromEntries(all) } : { domain };
  const source = `planned by conclave session over ${name}${header.source ? ` (${header.source})` : ''}`;
  return TraceWriter.open(record, { name, source, ...defined({ licence }), ...of });
}

function exampleTrace({ packageDir, cwd }: CliContext): string {
  const path = join(packageDir, 'examples', 'skyrim.jsonl');
  const near = relative(cwd, path);
  return near.startsWith('..') ? path : near;
}

/** The configuration's domains take precedence, if the trace is of those domains. */
function kindsOf(trace: Trace, loaded: LoadedConfig | undefined): Kinds {
  const { domain, domains } = loaded?.config ?? {};
  const names = Object.keys(trace.domains);
  if (domains !== undefined) return { domains: configuredKinds(trace, loaded as LoadedConfig, domains) };
  if (names.length > 1 && domain === undefined) return { domains: trace.domains };
  return { domain: domainFor(trace, domain, loaded) };
}

/** Those of the configured domains that the trace is of. */
function configuredKinds(
  { domains, file }: Trace,
  loaded: LoadedConfig,
  configured: NonNullable<Config['domains']>,
): NonNullable<Config['domains']> {
  const own = Object.keys(domains).map((name) => {
    const found = configured[name];
    if (found !== undefined) return [name, found] as const;
    const names = Object.keys(configured).join(', ');
    const message = `${loaded.file}: domains must have ${name}, which ${file} has; got ${names}`;
    throw new PlannerError('ERR_OPTIONS_INVALID', message);
  });
  return Object.fromEntries(own);
}

function domainFor(trace: Trace, configured: Domain | undefined, loaded: LoadedConfig | undefined): Domain {
  if (configured === undefined) return trace.domain;
  if (configured.name === trace.domain.name && Object.keys(trace.domains).length === 1) return configured;
  throw new PlannerError(
    'ERR_OPTIONS_INVALID',
    `${loaded?.file}: domain must be ${trace.domain.name}, that of ${trace.file}, or be left out; got ${configured.name}`,
  );
}

/** Rejects targets that would overwrite the input or each other. */
function checkTargets({ cwd }: CliContext, file: string, { record, report }: SessionFlags): void {
  const trace = placeOf(cwd, file);
  for (const [flag, given] of [
    ['--record', record],
    ['--report', report],
  ] as const) {
    if (given === undefined || placeOf(cwd, given) !== trace) continue;
    throw new UsageError(`${flag} must be another file than the trace that is read, got ${given}`);
  }
  if (record !== undefined && report !== undefined && placeOf(cwd, record) === placeOf(cwd, report)) {
    throw new UsageError(`--report must be another file than --record, got ${report}`);
  }
}
