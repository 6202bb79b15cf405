import type { ChatPlannerStats } from '../../src/main/chat/chat-planner.ts';
import type { Durations } from '../../src/main/measure/durations.ts';
import type { ModelStats } from '../../src/main/plans/counters.ts';
import { WHY_CODE_LIST } from '../../src/main/plans/ladder/why.ts';
import { PLAN_SOURCES } from '../../src/shared/decision.ts';

/** Each zero becomes another number, which depends on its path alone: a counter that is added changes no other. */
function numbered<T>(value: T, path = ''): T {
  if (value === 0) return numberOf(path) as T;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item, i) => numbered(item, `${path}.${i}`)) as T;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, numbered(item, `${path}.${name}`)]),
  ) as T;
}

function numberOf(path: string): number {
  let hash = 7;
  for (const char of path) hash = (hash * 31 + char.charCodeAt(0)) % 9_973;
  return hash + 1;
}

const TIMES: Durations = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
const HITS = { served: 0, due: 0, checked: 0, lost: 0, wrong: 0, tooFew: false, rate: 0.1, low: 0.018, high: 0.404 };
const UNCHECKED = { served: 2, due: 0, checked: 0, lost: 0, wrong: 0, tooFew: true, rate: null, low: null, high: null };

function modelStats(endpoint: string, model: string, step: ModelStats['step']): ModelStats {
  const ended = { useful: 0, timeouts: 0, cancelled: 0, failed: 0 };
  const tokens = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  const estimated = { promptTokensEstimated: 0, completionTokensEstimated: 0 };
  const counts = { made: 0, ...ended, running: 0, successRate: 0.75 };
  return { endpoint, model, step, ...counts, latencyMs: TIMES, firstTokenMs: TIMES, ...tokens, ...estimated };
}

function endpointStats(endpoint: string, state: 'closed' | 'half-open'): ChatPlannerStats['endpoints'][number] {
  const phase = { p50: 0, p95: 0, p99: 0 };
  return {
    endpoint,
    kind: 'llamacpp',
    slots: 8,
    slotsKnown: endpoint === 'local',
    width: 3,
    busy: 0,
    held: 2,
    waiting: 0,
    givenUp: 0,
    breaker: { state, opened: 0 },
    referenceCalls: 0,
    factsAsked: 0,
    memory: { isShort: false, isTold: true, loaded: ['phi'], loads: 0 },
    profiles: [
      {
        model: 'phi',
        kind: 'text',
        samples: 0,
        phases: { firstToken: phase, total: phase },
        timeouts: { headersMs: 0, firstTokenMs: 0, gapMs: 0, totalMs: 0 },
        widening: 1.5,
      },
    ],
  };
}

/** Stats in which every figure has a number of its own. */
export function numberedStats(): ChatPlannerStats {
  return numbered<ChatPlannerStats>({
    plans: { settled: 0, inFlight: 0, coalesced: 0, superseded: 0, cancelled: 0, refused: 0, invalid: 0 },
    sources: Object.fromEntries(PLAN_SOURCES.map((source) => [source, 0])) as ChatPlannerStats['sources'],
    why: Object.fromEntries(WHY_CODE_LIST.map((code) => [code, 0])) as ChatPlannerStats['why'],
    turns: { waitingAgents: 0, usualWaitMs: 0, movedAhead: 0 },
    reads: {
      ...{ asked: 0, decided: 0, unsure: 0, failed: 0 },
      calibration: [
        {
          ...{ model: 'phi', compared: 0, error: 0.05, brier: 0.2, brierOfMean: 0.25 },
          curve: [{ from: 0.4, compared: 0, expected: 0.5, agreed: 0.4 }],
        },
      ],
    },
    planningMs: TIMES,
    latenessMs: TIMES,
    cache: {
      entries: 0,
      entriesMax: 0,
      entriesByScene: [{ scene: 'cave', entries: 0 }],
      bytes: 0,
      ttl: 'adaptive',
      ttlMs: 0,
      ttlByScene: [{ scene: 'cave', ttlMs: 0, stateLifeMs: 0, answerLifeMs: null, checks: 0, why: 'the state' }],
      contradicted: 0,
      hits: 9_999,
      similarHits: 1_234,
      habitHits: 56,
      misses: 0,
      expired: 0,
      hitRate: 0.625,
      loopsBroken: 0,
      cyclesBroken: 0,
      withheld: 0,
      probes: 0,
      stood: 0,
      evictions: 0,
      cut: 0,
      tooLarge: 0,
      falseHits: { all: HITS, exact: HITS, similar: UNCHECKED, habit: HITS, scenes: [{ scene: 'cave', ...HITS }] },
      standing: {
        trust: 'earned',
        models: { compared: 0, agreement: 0.5 },
        tiers: [
          {
            ...{
              tier: 'similar',
              to: 0.1,
              compared: 0,
              wrong: 0,
              agreement: 0.875,
              low: 0.8,
              high: 0.9,
              required: 0.7,
            },
            ...{
              serving: true,
              why: 'agrees',
              scenes: [{ scene: 'cave', compared: 0, agreement: 0.9, serving: true }],
            },
          },
          {
            ...{ tier: 'old', to: null, compared: 0, wrong: 0, agreement: null, low: null, high: null, required: null },
            ...{ serving: false, why: 'is not known', scenes: [] },
          },
        ],
      },
      budget: {
        ...{ budget: 0.05, judged: 0, served: 0, probes: 0, risk: 0.02, riskHigh: 0.045 },
        habit: { judged: 0, served: 0, probes: 0, risk: 0.01, riskHigh: 0.04 },
      },
      disk: {
        ...{ state: 'on', entries: 0, bytes: 0, queued: 0, written: 0, dropped: 0, damaged: 0 },
        ...{ removedBySize: 0, batches: 0 },
      },
    },
    background: {
      ...{ queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, dropped: 0 },
      lost: { full: 0, gone: 0, old: 0, failed: 0, ended: 0 },
      later: { states: 0, asked: 0, voted: 0 },
    },
    foresight: {
      ...{ told: 0, asked: 0, known: 0, used: 0, tooLate: 0, joined: 0, withheld: 0, wrong: 0, dropped: 0 },
      ...{ waiting: 0, running: 0, off: null },
      domain: { calls: 0, slow: 0, invalid: 0, dropped: 0, off: null },
      experience: { off: null, passed: 0, heldBack: { time: 0, worth: 0, share: 0 }, skipped: 0 },
      bySource: [
        {
          ...{ source: 'host', scene: 'cave', told: 0, asked: 0, known: 0, used: 0, tooLate: 0, joined: 0 },
          ...{ withheld: 0, wrong: 0, dropped: 0 },
        },
      ],
    },
    landing: {
      ...{ fits: 0, moved: 0, illegal: 0, chosenAnew: 0 },
      scenes: [{ scene: 'cave', fits: 0, moved: 0, illegal: 0 }],
    },
    late: [{ kind: 'all', compared: 0, lateOnly: 0, nextOnly: 0, serves: true }],
    calls: {
      ...{ made: 0, useful: 0, timeouts: 0, cancelled: 0, failed: 0, running: 0, successRate: 0.8125 },
      ...{ retries: 0, hedges: 0, placeChecks: 0, seatsMoved: 0, earlyChoices: 0 },
      byCode: { OK: 0, ERR_MODEL_TIMEOUT_STREAM: 0 },
    },
    fallbacks: 0,
    models: [modelStats('local', 'phi', 'expert'), modelStats('other', 'nemo', 'synthesis')],
    workers: { threads: 0, running: 0, stuck: 0, crashed: 0 },
    chats: {
      ...{ requests: 0, inFlight: 0, cached: 0, joined: 0, fallbacks: 0 },
      byOutcome: { answered: 0, timeout: 0, failed: 0, cancelled: 0, refused: 0, invalid: 0 },
      byCode: { ERR_MODEL_MISSING: 0 },
      chatMs: TIMES,
      firstTokenMs: TIMES,
      ...{ calls: 0, promptTokens: 0, completionTokens: 0, promptTokensEstimated: 0, completionTokensEstimated: 0 },
      cache: { entries: 0, bytes: 0, hits: 0, misses: 0, notKept: 0 },
    },
    endpoints: [endpointStats('local', 'half-open'), endpointStats('other', 'closed')],
  });
}
