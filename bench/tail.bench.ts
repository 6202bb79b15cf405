import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, rounded } from './figures.ts';
import { CONTESTANTS } from './tail/contestants.ts';
import { latencyAt, type RecordedModel, type Recording, readRecording } from './tail/recording.ts';
import { replayTail, type TailFigures } from './tail/replay-tail.ts';

/**
 * The slow end of plans, replayed over recorded latencies of calls: the real planner asks three experts in virtual time, and
 * each call takes as long as some call of the recording did. Each model of the recording stands for itself, and all of them
 * together for one more. The same seed gives the same figures on any machine, and every contestant meets the same latencies
 * and votes.
 *
 * Agreement 0.7 is near that of real agents (FIELD.md, section 2: asked again in the same state, a model acts differently in
 * 46 to 66 % of the cases): two experts then say the same in 52 % of the plans, and each of three something else in 13 %.
 *
 * What it leaves out: calls are drawn one by one, so that a slow minute of a server, or a prompt that is slow to answer,
 * does not show. Real second tries and third experts help less where that is why a call is slow.
 */
const { values: args } = parseArgs({
  options: {
    trace: { type: 'string' },
    /** Of each model; four times as many of all pooled. */
    plans: { type: 'string' },
    seed: { type: 'string', default: '1' },
    agreement: { type: 'string', default: '0.7' },
    timeout: { type: 'string', default: '30000' },
    /** Models of the recording with fewer calls are left out. */
    calls: { type: 'string', default: '2000' },
    quick: { type: 'boolean', default: false },
  },
});
const trace = args.trace ?? fileURLToPath(new URL('../../shared/traces/llm-latency.csv.gz', import.meta.url));
const plans = Number(args.plans ?? (args.quick ? 200 : 800));
const seed = Number(args.seed);
const timeoutMs = Number(args.timeout);
const POOLED_TIMES = 4;
/** Of all calls, second tries may be so many. */
const HEDGED_MAX = 0.05;

if (!existsSync(trace)) {
  console.error('tail: there is no recording of latencies at the place given; name one with --trace FILE,');
  console.error('tail: a CSV file (.gz or not) with the columns model and latency_s');
  process.exit(2);
}

const SCENARIOS = [
  { name: 'synthesis', title: 'with a synthesis on disagreement', agreement: Number(args.agreement), synthesis: true },
  { name: 'votes', title: 'without synthesis models', agreement: Number(args.agreement), synthesis: false },
  { name: 'agreeing', title: 'experts that always agree', agreement: 1, synthesis: false },
] as const;

interface SingleCall {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

interface Row {
  readonly model: string;
  readonly contestant: string;
  readonly call: SingleCall;
  readonly figures: TailFigures;
}

/** What the models of the recording say together: medians of what each of them says. */
interface Summary {
  readonly p50VsCall: number;
  readonly p95VsP95Call: number;
  readonly p99VsP95Call: number;
  /** Models for which that is at most 1. */
  readonly modelsOnTarget: number;
  readonly callsPerPlan: number;
  readonly callsSaved: number;
  readonly plurality: number;
  readonly synthesized: number;
  readonly hedged: number;
  readonly timedOut: number;
}

function singleCall(model: RecordedModel): SingleCall {
  return { p50: latencyAt(model, 0.5), p95: latencyAt(model, 0.95), p99: latencyAt(model, 0.99) };
}

async function measure({ models, pooled }: Recording, scenario: (typeof SCENARIOS)[number]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const model of [...models, pooled]) {
    process.stderr.write(`tail: ${scenario.title}, ${model.name} …`);
    const startedAt = performance.now();
    for (const contestant of CONTESTANTS) {
      const { agreement, synthesis } = scenario;
      const setting = { plans: model === pooled ? POOLED_TIMES * plans : plans, seed, agreement, synthesis, timeoutMs };
      const figures = await replayTail(model, contestant, setting);
      rows.push({ model: model.name, contestant: contestant.name, call: singleCall(model), figures });
    }
    process.stderr.write(` ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`);
  }
  return rows;
}

function summary(rows: readonly Row[], contestant: string): Summary {
  const own = rows.filter((row) => row.contestant === contestant);
  const all = rows.filter((row) => row.contestant === CONTESTANTS[0]?.name);
  const of = (read: (row: Row, index: number) => number): number => rounded(median(own.map(read)));
  return {
    p50VsCall: of(({ figures, call }) => figures.p50 / call.p50),
    p95VsP95Call: of(({ figures, call }) => figures.p95 / call.p95),
    p99VsP95Call: of(({ figures, call }) => figures.p99 / call.p95),
    modelsOnTarget: own.filter(({ figures, call }) => figures.p99 <= call.p95).length,
    callsPerPlan: of(({ figures }) => figures.callsPerPlan),
    callsSaved: of(({ figures }, index) => 1 - figures.callsPerPlan / (all[index] as Row).figures.callsPerPlan),
    plurality: of(({ figures }) => figures.plurality),
    synthesized: of(({ figures }) => figures.synthesized),
    hedged: of(({ figures }) => figures.hedged),
    timedOut: of(({ figures }) => figures.timedOut),
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

const TITLES = ['p50', 'p95', 'p99', 'p99/p95 call', 'calls/plan', 'plurality', 'synthesis', 'hedged', 'timed out'];

function line(name: string, cells: readonly string[]): void {
  console.error(name.padEnd(16) + cells.map((cell) => cell.padStart(14)).join(''));
}

function sayModel(model: string, rows: readonly Row[]): void {
  const own = rows.filter((row) => row.model === model);
  const { p50, p95, p99 } = (own[0] as Row).call;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  line(`\n${model}`, []);
  line('', TITLES);
  line('one call', [p50, p95, p99].map(seconds));
  for (const { contestant, figures: each } of own) {
    const times = [each.p50, each.p95, each.p99].map(seconds);
    const shares = [each.plurality, each.synthesized, each.hedged, each.timedOut].map(percent);
    line(contestant, [...times, (each.p99 / p95).toFixed(2), each.callsPerPlan.toFixed(2), ...shares]);
  }
}

function saySummaries(models: number, summaries: Readonly<Record<string, Summary>>): void {
  console.error(`\nmedians of ${models} models`);
  line('', ['p50/p50 call', 'p95/p95 call', 'p99/p95 call', 'on target', 'calls/plan', 'saved', 'plurality', 'hedged']);
  for (const [name, of] of Object.entries(summaries)) {
    const ratios = [of.p50VsCall, of.p95VsP95Call, of.p99VsP95Call].map((ratio) => ratio.toFixed(2));
    const shares = [of.callsSaved, of.plurality, of.hedged].map(percent);
    line(name, [...ratios, `${of.modelsOnTarget} of ${models}`, of.callsPerPlan.toFixed(2), ...shares]);
  }
}

const recording = readRecording(trace, Number(args.calls));
if (recording.models.length === 0) {
  console.error(`tail: no model of the recording has ${args.calls} calls (--calls)`);
  process.exit(2);
}
console.error(`${recording.calls} recorded calls; ${recording.models.length} models with at least ${args.calls}`);
const { pooled } = recording;
let hedgedMax = 0;
const results: Record<string, { models: Record<string, Summary>; pooled: Record<string, Summary> }> = {};
for (const scenario of SCENARIOS) {
  const rows = await measure(recording, scenario);
  hedgedMax = Math.max(hedgedMax, ...rows.map(({ figures }) => figures.hedged));
  const ofModels = rows.filter(({ model }) => model !== pooled.name);
  const ofPooled = rows.filter(({ model }) => model === pooled.name);
  const byContestant = (of: readonly Row[]): Record<string, Summary> =>
    Object.fromEntries(CONTESTANTS.map(({ name }) => [name, summary(of, name)]));
  const result = { models: byContestant(ofModels), pooled: byContestant(ofPooled) };
  results[scenario.name] = result;
  console.error(`\n== ${scenario.title}, agreement ${scenario.agreement}`);
  for (const { name } of [...recording.models, pooled]) sayModel(name, rows);
  saySummaries(recording.models.length, result.models);
}
if (hedgedMax > HEDGED_MAX) console.error(`tail: ${percent(hedgedMax)} of the calls of a run were second tries`);
// The target is about time: what a quorum does for the tail where experts agree. Where they do not, steps follow one another.
const { default: aimed } = (results.agreeing as (typeof results)[string]).models;
const { default: disagreeing } = (results.synthesis as (typeof results)[string]).models;
console.log(
  JSON.stringify({
    bench: 'tail',
    p99PlanVsP95Call: aimed?.p99VsP95Call,
    callsSaved: aimed?.callsSaved,
    p99PlanVsP95CallDisagreeing: disagreeing?.p99VsP95Call,
    callsSavedDisagreeing: disagreeing?.callsSaved,
    hedgedMax: rounded(hedgedMax),
    seed,
    plans,
    agreement: Number(args.agreement),
    calls: recording.calls,
    models: recording.models.length,
    ...results,
  }),
);
