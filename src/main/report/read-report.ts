import { open } from 'node:fs/promises';
import { z } from 'zod';
import { readBy } from '../../shared/check-options.ts';
import { PLAN_SOURCES } from '../../shared/decision.ts';
import { PlannerError } from '../../shared/errors.ts';
import { readText as textOf } from '../../shared/untrusted-json.ts';
import { type Series, seriesOf } from '../monitor/series.ts';
import type { SessionReport } from '../session/report.ts';
import { REPORT_FIGURES } from '../session/report-figures.ts';

/** A report as `session --json` printed it, and where it was read. */
export interface ReadReport {
  readonly file: string;
  readonly report: SessionReport;
}

const BYTES_MAX = 64 * 2 ** 20;
const SAMPLES_MAX = 10_000;
const NAME_MAX = 2_000;

const amount = z.number().min(0);
const share = z.number().min(0).max(1);
const name = z.string().max(NAME_MAX);
const durations = z.looseObject({ mean: amount, p50: amount, p95: amount, p99: amount, max: amount });
const values = z.array(amount).max(SAMPLES_MAX);
const gaps = z.array(amount.nullable()).max(SAMPLES_MAX);
/** Sources that earlier reports lack: they count as 0 plans there. */
const NEWER_SOURCES: readonly string[] = ['late', 'habit'];
const bySource = (amounts: z.ZodType) =>
  z.object(
    Object.fromEntries(PLAN_SOURCES.map((key) => [key, NEWER_SOURCES.includes(key) ? amounts.optional() : amounts])),
  );
const plansBySource = bySource(amount).transform((sources) => ({ late: 0, habit: 0, ...sources }));

/** Percentiles, and how often hits were wrong, may be unknown for a while. */
const isWithGaps = (key: string): boolean => /^(?:p\d+|false[A-Z].*)$/.test(key);
const { sources: _, ...lists } = seriesOf([]);

const series = z
  .object({
    ...Object.fromEntries(Object.keys(lists).map((key) => [key, isWithGaps(key) ? gaps : values])),
    atMs: values,
    sources: bySource(values),
  })
  .transform(({ sources, ...rest }) => {
    const none = rest.atMs.map(() => 0);
    return { ...rest, sources: { late: none, habit: none, ...sources } };
  });

const rate = z.looseObject({
  checked: amount,
  wrong: amount,
  low: share.nullable(),
  high: share.nullable(),
  // Older reports have neither.
  due: amount.default(0),
  lost: amount.default(0),
  tooFew: z.boolean().default(false),
});

/** The rate of a tier that earlier reports lack. */
const NONE_CHECKED = { checked: 0, wrong: 0, low: null, high: null, due: 0, lost: 0, tooFew: true };

const model = z.looseObject({
  model: name,
  endpoint: name,
  step: z.enum(['read', 'expert', 'synthesis']),
  made: amount,
  timeouts: amount,
  failed: amount,
  successRate: share,
  completionTokens: amount,
  latencyMs: durations,
  firstTokenMs: durations.extend({ count: amount }),
});

const endpoint = z.looseObject({
  endpoint: name,
  slots: amount,
  slotsKnown: z.boolean(),
  /** Missing in reports of earlier versions. */
  width: amount.optional(),
  held: amount,
  givenUp: amount.default(0),
  breaker: z.looseObject({ state: name, opened: amount }),
  profiles: z.array(z.unknown()).max(1_000),
});

const budget = z.looseObject({
  budget: amount,
  served: amount,
  judged: amount,
  probes: amount,
  risk: amount.nullable(),
  riskHigh: amount.nullable(),
});

/** Missing in reports of earlier versions. */
const tier = z.looseObject({
  tier: name,
  to: amount.nullable(),
  compared: amount,
  agreement: share.nullable(),
  serving: z.boolean(),
});

/** Figures with a line in the text of a report. Reports of earlier versions lack some. */
function saidIn(group: string): Record<string, z.ZodType> {
  const said = REPORT_FIGURES.filter((figure) => figure.said !== undefined && figure.path.startsWith(group));
  return Object.fromEntries(said.map(({ path }) => [path.slice(group.length), amount.optional()]));
}

/** Missing in reports of earlier versions. */
const reads = z.looseObject({
  asked: amount,
  decided: amount,
  unsure: amount,
  failed: amount,
  calibration: z
    .array(
      z.looseObject({
        model: name,
        compared: amount,
        error: amount.optional(),
        brier: amount.optional(),
        brierOfMean: amount.optional(),
        curve: z.array(z.looseObject({ compared: amount, expected: share, agreed: share })).max(100),
      }),
    )
    .max(1_000),
});

/** Missing in reports of earlier versions. */
const foresight = z.looseObject({
  ...{ told: amount, asked: amount, used: amount, tooLate: amount, joined: amount, withheld: amount, wrong: amount },
  dropped: amount,
});

const calls = z.looseObject({ made: amount, useful: amount, timeouts: amount, cancelled: amount, failed: amount });

const judgement = z.looseObject({
  met: z.boolean(),
  plans: amount,
  criteria: z
    .array(z.looseObject({ criterion: name, met: z.boolean(), value: z.number().nullable(), why: name.optional() }))
    .max(1_000),
});

/** The parts of a report that are shown, and so must be valid; it may have more. */
const schema = z.looseObject({
  plans: amount,
  legal: amount,
  onTime: amount,
  hitRate: share,
  llmSuccess: share,
  timeouts: amount,
  fallbacks: amount,
  sources: plansBySource,
  why: z.record(name, amount).default({}),
  planningMs: durations,
  cache: z.looseObject({
    ...saidIn('cache.'),
    entries: amount,
    entriesMax: amount,
    hits: amount,
    misses: amount,
    ttlMs: amount,
    tooLarge: amount,
    standing: z
      .looseObject({ models: z.looseObject({ agreement: share.nullable() }), tiers: z.array(tier).max(100) })
      .nullish(),
    falseHits: z
      .looseObject({ all: rate.optional(), exact: rate, similar: rate, habit: rate.default(NONE_CHECKED) })
      .nullable(),
    budget: budget.nullable(),
  }),
  background: z.looseObject({
    done: amount,
    later: z.looseObject({ states: amount, asked: amount, voted: amount }).default({ states: 0, asked: 0, voted: 0 }),
  }),
  late: z
    .array(z.looseObject({ kind: name, compared: amount, lateOnly: amount, nextOnly: amount, serves: z.boolean() }))
    .default([]),
  reads: reads.nullable().default(null),
  foresight: foresight.nullable().default(null),
  calls: calls.extend(saidIn('calls.')),
  models: z.array(model).max(1_000),
  endpoints: z.array(endpoint).max(1_000),
  tokensPerPlan: z.looseObject({ prompt: amount, completion: amount, cached: amount, estimated: share.default(0) }),
  coalesced: amount,
  superseded: amount,
  agreement: z.looseObject({ compared: amount, agreed: amount, rate: share }),
  agents: amount,
  laps: amount.default(1),
  interrupted: z.boolean(),
  cancelled: amount,
  seconds: amount,
  plansPerSecond: amount,
  trace: z.looseObject({ file: name, name }),
  server: z.discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('simulated'), speed: z.number().positive(), baseURL: name }),
    z.looseObject({ kind: z.literal('endpoints'), baseURLs: z.array(name).max(1_000) }),
  ]),
  expect: judgement.optional(),
  error: z.looseObject({ code: z.string() }).optional(),
  series: series.optional(),
});

/** Reads a report. Throws ERR_REPORT_INVALID with the file, called `file` in the message, and what is wrong in it. */
export async function readReport(path: string, file = path): Promise<ReadReport> {
  const text = await readText(path, file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fault(file, `is no JSON: ${(cause as Error).message}`, cause);
  }
  const read = readBy(schema, value);
  if ('refusal' in read) throw fault(file, read.refusal.replace(/^options /, 'the report '));
  const lengths =
    read.value.series && new Set(listsOf(read.value.series as unknown as Series).map((list) => list.length));
  if (lengths !== undefined && lengths.size > 1) {
    throw fault(file, `series must have lists of one length, got ${[...lengths].join(' and ')}`);
  }
  // The shown parts were checked above; the rest is unchanged.
  return { file, report: read.value as unknown as SessionReport };
}

async function readText(path: string, file: string): Promise<string> {
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > BYTES_MAX) throw fault(file, `must be at most ${BYTES_MAX} bytes, got ${size}`);
    const read = textOf(await handle.readFile());
    if ('rule' in read) throw fault(file, read.rule);
    return read.text;
  } catch (error) {
    if (error instanceof PlannerError) throw error;
    throw fault(file, `cannot be read: ${(error as Error).message}`, error);
  }
}

function listsOf({ sources, ...lists }: Series): readonly (readonly unknown[])[] {
  return [...Object.values(sources), ...Object.values(lists)];
}

function fault(file: string, what: string, cause?: unknown): PlannerError {
  return new PlannerError('ERR_REPORT_INVALID', `${file}: ${what}`, { cause });
}
