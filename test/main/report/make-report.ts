import type { Series } from '../../../src/main/monitor/series.ts';
import { PlannerCounters } from '../../../src/main/plans/counters.ts';
import type { SessionReport } from '../../../src/main/session/report.ts';
import { PLAN_SOURCES, type PlanSource } from '../../../src/shared/decision.ts';

const bySource = <T>(of: (source: PlanSource) => T): Record<PlanSource, T> =>
  Object.fromEntries(PLAN_SOURCES.map((source) => [source, of(source)])) as Record<PlanSource, T>;

const NONE = { served: 0, due: 0, checked: 0, lost: 0, wrong: 0, tooFew: true, rate: null, low: null, high: null };
const HITS = { ...NONE, due: 100, checked: 100, wrong: 10, tooFew: false };

export function makeSeries(samples = 3): Series {
  const list = <T>(value: T): T[] => Array<T>(samples).fill(value);
  const counts = { plans: list(5), useful: list(4), timeouts: list(0), cancelled: list(0), failed: list(1) };
  const cache = { fallbacks: list(0), lookups: list(5), hits: list(2), entries: list(3), inFlight: list(1) };
  const rates = { falseRate: list(null), falseLow: list(null), falseHigh: list(null) };
  const times = { p50: list(10), p95: list(20), p99: list(30), seconds: list(1) };
  const atMs = list(0).map((_, i) => 1_000 * (i + 1));
  return {
    atMs,
    sources: bySource((source) => list(source === 'quorum' ? 5 : 0)),
    ...counts,
    ...cache,
    ...rates,
    ...times,
  };
}

/** A session of a thousand plans in which all is well. */
export function makeReport(overrides: Partial<SessionReport> = {}): SessionReport {
  const planningMs = { mean: 40, p50: 30, p95: 90, p99: 200, max: 400 };
  return {
    plans: 1_000,
    legal: 1_000,
    onTime: 1_000,
    hitRate: 0.5,
    llmSuccess: 0.98,
    timeouts: 10,
    fallbacks: 5,
    sources: { ...bySource(() => 0), cache: 500, quorum: 490, heuristic: 10 },
    why: { ...new PlannerCounters().why, 'server-silent': 7, superseded: 3 },
    planningMs,
    latenessMs: planningMs,
    cache: {
      entries: 100,
      entriesMax: 200,
      hits: 500,
      misses: 500,
      ttlMs: 600_000,
      expired: 0,
      evictions: 0,
      tooLarge: 0,
      similarHits: 0,
      habitHits: 0,
      loopsBroken: 0,
      contradicted: 0,
      cyclesBroken: 0,
      withheld: 0,
      probes: 0,
      stood: 0,
      standing: null,
      falseHits: { all: HITS, exact: HITS, similar: NONE, habit: NONE, scenes: [] },
      budget: null,
      ttlByScene: [],
    },
    background: {
      queued: 0,
      running: 0,
      done: 100,
      failed: 0,
      cancelled: 0,
      dropped: 0,
      lost: { full: 0, gone: 0, old: 0, failed: 0, ended: 0 },
      later: { states: 0, asked: 0, voted: 0 },
    },
    late: [],
    reads: null,
    foresight: null,
    calls: {
      made: 1_100,
      useful: 980,
      timeouts: 10,
      cancelled: 100,
      failed: 10,
      running: 0,
      retries: 0,
      placeChecks: 0,
      seatsMoved: 0,
      hedges: 0,
      earlyChoices: 0,
      byCode: { OK: 980 },
    },
    models: [],
    endpoints: [],
    tokensPerPlan: { prompt: 300, completion: 40, cached: 100, estimated: 0 },
    coalesced: 0,
    superseded: 0,
    agreement: { compared: 1_000, agreed: 600, rate: 0.6 },
    agents: 7,
    laps: 1,
    interrupted: false,
    cancelled: 0,
    seconds: 30,
    plansPerSecond: 33.3,
    trace: { file: 'cave.jsonl', name: 'cave' },
    server: { kind: 'simulated', speed: 100, baseURL: 'http://127.0.0.1:4000/v1' },
    series: makeSeries(),
    ...overrides,
  };
}
