import { expect, test } from 'vitest';
import { ChatCounters } from '../../../src/main/chat/chat-counters.ts';
import { reportText } from '../../../src/main/cli/terminal/report-text.ts';
import type { EndpointStats } from '../../../src/main/models/endpoint-parts.ts';
import { PlannerCounters } from '../../../src/main/plans/counters.ts';
import { ForesightCounts } from '../../../src/main/plans/expectations/foresight-counts.ts';
import { noExperience } from '../../../src/main/plans/experience/experience.ts';
import type { PlannerStats } from '../../../src/main/plans/planner.ts';
import type { ReadStats } from '../../../src/main/plans/reads/reads.ts';
import { type ReportServer, type SessionReport, sessionReport } from '../../../src/main/session/report.ts';
import type { SessionOutcome } from '../../../src/main/session/session.ts';
import { PLAN_SOURCES } from '../../../src/shared/decision.ts';
import { PlannerError } from '../../../src/shared/errors.ts';

const OUTCOME: SessionOutcome = {
  plans: 10,
  legal: 10,
  onTime: 9,
  cancelled: 0,
  compared: 8,
  agreed: 6,
  agents: 2,
  laps: 1,
  seconds: 2.5,
  interrupted: false,
};
const TRACE = { file: 'cave.jsonl', name: 'cave' };
const SIMULATED: ReportServer = { kind: 'simulated', speed: 100, baseURL: 'http://127.0.0.1:1/v1' };

const CHECKS = { due: 12, lost: 1, tooFew: false };
const HITS = { ...CHECKS, served: 4, checked: 10, wrong: 1, rate: 0.1, low: 0.018, high: 0.404 };
const UNCHECKED = { ...CHECKS, due: 0, lost: 0, served: 2, checked: 0, wrong: 0, rate: null, low: null, high: null };

function endpointStats(given: Partial<EndpointStats>): EndpointStats {
  return {
    endpoint: 'local',
    kind: 'lmstudio',
    slots: 4,
    slotsKnown: true,
    width: given.slots ?? 4,
    busy: 0,
    held: 0,
    waiting: 0,
    givenUp: 0,
    breaker: { state: 'closed', opened: 0 },
    referenceCalls: 0,
    factsAsked: 0,
    memory: { isShort: false, isTold: true, loaded: ['phi'], loads: 0 },
    profiles: [
      {
        model: 'phi',
        kind: 'text',
        samples: 4,
        phases: {},
        timeouts: { headersMs: 1, firstTokenMs: 1, gapMs: 1, totalMs: 1 },
        widening: 1,
      },
    ],
    ...given,
  };
}

/** What a planner counts in a session of ten plans: six hits, four misses, one of them by the fallback. */
function statsOf(cache: boolean, tooLarge = 0): PlannerStats {
  const counters = new PlannerCounters();
  const subject = { step: 'expert', role: 'scout', model: 'phi', endpoint: 'local' } as const;
  for (let call = 0; call < 4; call++) {
    counters.callStarted(subject);
    counters.callEnded(subject, call === 0 ? 'ERR_MODEL_TIMEOUT_STREAM' : 'OK', { totalMs: 20, firstTokenMs: 10 });
  }
  counters.planning.record(40);
  counters.sources.cache = 6;
  counters.sources.synthesis = 3;
  counters.sources.fallback = 1;
  return {
    plans: { settled: 10, inFlight: 0, superseded: 0, coalesced: 1, cancelled: 0, refused: 0, invalid: 0 },
    sources: counters.sources,
    why: counters.why,
    foresight: {
      ...{ ...new ForesightCounts().total, waiting: 0, running: 0, off: null, domain: false as const, bySource: [] },
      experience: noExperience('off'),
    },
    landing: { fits: 0, moved: 0, illegal: 0, chosenAnew: 0, scenes: [] },
    late: [],
    reads: false,
    turns: { waitingAgents: 0, usualWaitMs: 0, movedAhead: 0 },
    planningMs: counters.planning.summary(),
    latenessMs: counters.lateness.summary(),
    cache: cache && {
      entries: 4,
      entriesMax: 200,
      entriesByScene: [],
      ttlMs: 120_000,
      hits: 6,
      misses: 4,
      expired: 0,
      hitRate: 0.6,
      evictions: 0,
      cut: 0,
      tooLarge,
      bytes: 100_000,
      ttl: 'fixed',
      ttlByScene: [],
      similarHits: 2,
      habitHits: 0,
      loopsBroken: 3,
      contradicted: 0,
      cyclesBroken: 0,
      withheld: 0,
      probes: 0,
      stood: 0,
      standing: false,
      falseHits: { all: HITS, exact: HITS, similar: UNCHECKED, habit: UNCHECKED, scenes: [] },
      budget: {
        ...{ budget: 0.05, judged: 20, served: 6, probes: 1, risk: 0.02, riskHigh: 0.045 },
        habit: { judged: 0, served: 0, probes: 0, risk: null, riskHigh: null },
      },
      disk: false,
    },
    background: {
      queued: 0,
      running: 0,
      done: 10,
      failed: 0,
      cancelled: 0,
      dropped: 0,
      lost: { full: 0, gone: 0, old: 0, failed: 0, ended: 0 },
      later: { states: 0, asked: 0, voted: 0 },
    },
    calls: { ...counters.calls(), hedges: 0, placeChecks: 0, seatsMoved: 0, earlyChoices: 0, retries: 0, byCode: {} },
    fallbacks: 1,
    models: counters.models(),
    workers: { threads: 2, running: 0, stuck: 0, crashed: 0 },
    chats: new ChatCounters().stats(false),
    endpoints: [endpointStats({})],
  };
}

function textOf(stats: PlannerStats): string {
  return reportText(sessionReport(OUTCOME, stats, { trace: TRACE, server: SIMULATED }));
}

test('the object has counts as numbers, rates from 0 to 1, and every source', () => {
  const report = sessionReport(OUTCOME, statsOf(true), { trace: TRACE, server: SIMULATED });
  expect(report).toMatchObject({
    plans: 10,
    legal: 10,
    onTime: 9,
    hitRate: 0.6,
    llmSuccess: 0.75,
    timeouts: 1,
    fallbacks: 1,
    cache: { entries: 4, entriesMax: 200, hits: 6, misses: 4, ttlMs: 120_000, similarHits: 2, loopsBroken: 3 },
    background: { done: 10 },
    calls: { made: 4, useful: 3, hedges: 0 },
    endpoints: [{ endpoint: 'local', slots: 4, slotsKnown: true, breaker: { state: 'closed', opened: 0 } }],
    tokensPerPlan: { prompt: 0, completion: 0, cached: 0 },
    coalesced: 1,
    superseded: 0,
    agreement: { compared: 8, agreed: 6, rate: 0.75 },
    interrupted: false,
    seconds: 2.5,
    plansPerSecond: 4,
    trace: TRACE,
    server: SIMULATED,
  });
  expect(Object.keys(report.sources)).toEqual([...PLAN_SOURCES]);
  expect(report.planningMs.p99).toBeCloseTo(40, 0);
  expect(report.models).toHaveLength(1);
  expect(report.error).toBeUndefined();
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

test('the object of a session without a cache and without a plan has zeros, not holes', () => {
  const nothing = { ...OUTCOME, plans: 0, legal: 0, onTime: 0, compared: 0, agreed: 0, seconds: 0 };
  const report = sessionReport(nothing, statsOf(false), { trace: TRACE, server: SIMULATED });
  expect(report).toMatchObject({ hitRate: 0, plansPerSecond: 0, agreement: { rate: 0 }, cache: { entriesMax: 0 } });
});

test('the object of a session that its trace ended names the fault', () => {
  const fault = new PlannerError('ERR_TRACE_INVALID', 'cave.jsonl, line 9: is not JSON');
  const report = sessionReport({ ...OUTCOME, fault }, statsOf(true), { trace: TRACE, server: SIMULATED });
  expect(report.error).toMatchObject({ code: 'ERR_TRACE_INVALID', message: fault.message });
  expect(reportText(report)).toContain('ended early by a broken trace');
});

test('the text tells everything the report promises', () => {
  const text = reportText(sessionReport(OUTCOME, statsOf(true), { trace: TRACE, server: SIMULATED }));
  for (const said of [
    'Session cave: 10 plans for 2 agents in 2.5 s (4 plans/s)',
    '100 times real time',
    '10 of 10 (100 %)',
    '9 of 10 (90 %)',
    '4/200 entries · hit rate 60 % · 6 hits · 4 misses · TTL 2 min',
    'same state: 1 of 10 checked (95 % interval 1.8 % to 40.4 %)',
    '5 % · served 6 of 20 judged · 1 probe · risk 2 %, at most 4.5 %',
    '3 answers not served, after having had no effect twice',
    '75 % · 3 useful of 4 calls',
    'cache 6 (60 %) · synthesis 3 (30 %) · fallback 1 (10 %)',
    '6 of 8 (75 %) chose the recorded action',
    '1 plan joined the model work of another',
  ]) {
    expect(text).toContain(said);
  }
  expect(text).toMatch(/Planning time +mean 40 ms · p50 40 ms · p95 40 ms · p99 40 ms/);
  expect(text).toMatch(/Timeouts +1 call\n/);
  expect(text).toMatch(/Fallbacks +1 plan\n/);
  expect(text).toMatch(/phi +expert +4 +75 % +1 +0/);
});

const READS: ReadStats = {
  ...{ asked: 9, decided: 6, unsure: 2, failed: 1 },
  calibration: [
    {
      ...{ model: 'phi', compared: 40, error: 0.031, brier: 0.121, brierOfMean: 0.2 },
      curve: [
        { from: 0.5, compared: 15, expected: 0.55, agreed: 0.6 },
        { from: 0.9, compared: 25, expected: 0.93, agreed: 0.96 },
      ],
    },
    { model: 'nemo', compared: 0, error: undefined, brier: undefined, brierOfMean: undefined, curve: [] },
    {
      ...{ model: 'qwen', compared: 3, error: undefined, brier: undefined, brierOfMean: undefined },
      curve: [{ from: 0.4, compared: 3, expected: 0.45, agreed: 1 / 3 }],
    },
  ],
};

test('what was foreseen is told in one line, where any state was expected', () => {
  const stats = statsOf(true);
  const counts = { told: 12, asked: 9, used: 5, tooLate: 2, joined: 1, wrong: 2, dropped: 3 };
  const foresight = { ...stats.foresight, ...counts };
  const report = sessionReport(OUTCOME, { ...stats, foresight }, { trace: TRACE, server: SIMULATED });
  expect(report.foresight).toEqual(foresight);
  expect(reportText(report)).toMatch(
    /Foreseen +12 states, 9 asked: 5 ready · 2 late \(1 joined\) · 2 wrong · 3 dropped\n/,
  );
  expect(reportText(sessionReport(OUTCOME, stats, { trace: TRACE, server: SIMULATED }))).not.toContain('Foreseen');
});

test('what reads decided is told, with how well their probabilities say what is written', () => {
  const report = sessionReport(OUTCOME, { ...statsOf(true), reads: READS }, { trace: TRACE, server: SIMULATED });
  expect(report.reads).toEqual(READS);
  const text = reportText(report);
  expect(text).toMatch(
    /Read decisions +60 % of 10 plans · 9 reads · 2 unsure · 1 failed · calibration error 0\.03 \(phi\)\n/,
  );
  expect(text).toMatch(/Reads of +Reads compared +Calibration error +Brier score +Brier score of the mean\n/);
  expect(text).toMatch(/\n {2}phi +40 +0\.03 +0\.12 +0\.2\n {2}qwen +3 +– +– +–\n/);
  expect(text).toMatch(/Reads of +Expected +Came +Compared\n {2}phi +55 % +60 % +15\n {2}phi +93 % +96 % +25\n/);
  expect(text).not.toContain('nemo');
});

test('a server whose models cannot be read is told as such', () => {
  const reads = { ...READS, asked: 12, failed: 12, decided: 0, unsure: 0, calibration: [] };
  const report = sessionReport(OUTCOME, { ...statsOf(true), reads }, { trace: TRACE, server: SIMULATED });
  expect(reportText(report)).toContain('none: 12 reads failed; conclave doctor says which models can be read\n');
});

test('nothing is told of reads where there were none', () => {
  const none = { asked: 0, decided: 0, unsure: 0, failed: 0, calibration: [] };
  for (const reads of [none, false] as const) {
    const report = sessionReport(OUTCOME, { ...statsOf(true), reads }, { trace: TRACE, server: SIMULATED });
    expect(report.reads).toEqual(reads || null);
    expect(reportText(report)).not.toMatch(/[Rr]eads? (?:of|decisions)/);
  }
});

test('why no model decided is told where there are such plans, the most frequent first', () => {
  const without = statsOf(true);
  const some = { ...without, why: { ...without.why, superseded: 1, 'server-silent': 3 } };
  const [none, told] = [without, some].map((stats) =>
    sessionReport(OUTCOME, stats, { trace: TRACE, server: SIMULATED }),
  );
  expect(reportText(none as SessionReport)).not.toContain('no model');
  expect(reportText(told as SessionReport)).toMatch(
    /Why no model decided +server-silent 3 \(30 %\) · superseded 1 \(10 %\)\n/,
  );
  expect(told?.why).toEqual(some.why);
});

test('decisions too large for the cache are told where there are any', () => {
  const [none, some] = [0, 3].map((tooLarge) =>
    sessionReport(OUTCOME, statsOf(true, tooLarge), { trace: TRACE, server: SIMULATED }),
  );
  expect([none?.cache.tooLarge, some?.cache.tooLarge]).toEqual([0, 3]);
  expect(reportText(none as SessionReport)).not.toContain('too large');
  expect(reportText(some as SessionReport)).toContain('TTL 2 min · 3 too large to keep');
});

test('the text of an interrupted session without a cache says both', () => {
  const server: ReportServer = { kind: 'endpoints', baseURLs: ['http://localhost:1234/v1'] };
  const outcome = { ...OUTCOME, interrupted: true, cancelled: 3 };
  const text = reportText(sessionReport(outcome, statsOf(false), { trace: TRACE, server }));
  expect(text).toContain('interrupted');
  expect(text).toContain('3 plans by the interrupt');
  expect(text).toMatch(/Cache +off\n/);
  expect(text).toContain('Models at http://localhost:1234/v1');
  expect(text).not.toContain('real time');
});

test('the LLM success rate is of the calls that were wanted to their end; the cancelled stand beside it', () => {
  const counts = { made: 10, useful: 3, timeouts: 1, failed: 0, cancelled: 6, running: 0, successRate: 0.75 };
  const stats = {
    ...statsOf(true),
    calls: { ...counts, hedges: 0, placeChecks: 0, seatsMoved: 0, earlyChoices: 0, retries: 0, byCode: {} },
  };
  const report = sessionReport(OUTCOME, stats, { trace: TRACE, server: SIMULATED });
  expect(report).toMatchObject({ llmSuccess: 0.75, calls: { made: 10, cancelled: 6 } });
  expect(reportText(report)).toMatch(
    /LLM success rate +75 % · 3 useful of 4 calls · 6 more cancelled, no longer needed\n/,
  );
});

test('where every call was cancelled there is no rate to tell', () => {
  const counts = { made: 2, useful: 0, timeouts: 0, failed: 0, cancelled: 2, running: 0, successRate: 0 };
  const text = textOf({
    ...statsOf(true),
    calls: { ...counts, hedges: 0, placeChecks: 0, seatsMoved: 0, earlyChoices: 0, retries: 0, byCode: {} },
  });
  expect(text).toMatch(/LLM success rate +no call was needed to its end · 2 more cancelled, no longer needed\n/);
});

test('hedges, superseded plans and tokens are told where there are any', () => {
  const without = statsOf(true);
  expect(textOf(without)).not.toMatch(/Hedges|Early choices|Superseded|Tokens a plan/);
  const [model] = without.models;
  const stats: PlannerStats = {
    ...without,
    plans: { ...without.plans, superseded: 2 },
    calls: { ...without.calls, hedges: 1, earlyChoices: 2 },
    models: [
      {
        ...(model as PlannerStats['models'][number]),
        promptTokens: 8_000,
        completionTokens: 120,
        cachedTokens: 6_000,
        promptTokensEstimated: 2_030,
        completionTokensEstimated: 0,
      },
    ],
  };
  const report = sessionReport(OUTCOME, stats, { trace: TRACE, server: SIMULATED });
  expect(report).toMatchObject({ superseded: 2, tokensPerPlan: { prompt: 800, completion: 12, cached: 600 } });
  const text = reportText(report);
  expect(text).toMatch(/Superseded +2 plans replaced by a newer request of the same agent\n/);
  expect(text).toMatch(/Hedges +1 call repeated elsewhere, because the first try was unusually slow\n/);
  expect(text).toMatch(/Early choices +2 votes counted before their reasons were written\n/);
  expect(text).toMatch(/Tokens a plan +800 read, 600 of them cached · 12 written · 25 % estimated\n/);
});

test('servers are told with their slots, and with what went wrong with any of them', () => {
  expect(textOf(statsOf(true))).toMatch(/\n {2}Endpoint +Slots\n {2}local +4 \(told\)\n$/);
  const endpoints = [
    endpointStats({ slots: 6, slotsKnown: false, breaker: { state: 'half-open', opened: 3 }, held: 1 }),
    endpointStats({ endpoint: 'other', breaker: { state: 'closed', opened: 1 } }),
    endpointStats({ endpoint: 'never asked', profiles: [] }),
  ];
  const text = textOf({ ...statsOf(true), endpoints });
  expect(text).toMatch(/Endpoint +Slots +Breaker +Held by aborted calls\n/);
  expect(text).toMatch(/local +6 +half-open, opened 3 times +1 slot\n/);
  expect(text).toMatch(/other +4 \(told\) +closed, opened once +–\n/);
  expect(text).not.toContain('never asked');
});

test('one model at two endpoints has two rows that name them; at one endpoint nothing names it', () => {
  const stats = statsOf(true);
  const [model] = stats.models;
  if (model === undefined) throw new Error('no model');
  const twice = { ...stats, models: [model, { ...model, endpoint: 'other' }] };
  const rows = textOf(twice)
    .split('\n')
    .filter((line) => line.trim().startsWith(model.model));
  expect(rows.map((row) => row.trim().split(/ {2,}/)[1])).toEqual([model.endpoint, 'other']);
  expect(textOf(twice)).toMatch(/\n {2}Model +Endpoint +Step /);
  expect(textOf(stats)).toMatch(/\n {2}Model +Step /);
});

test('lines of the trace that were left out are told with the first of them', () => {
  const skipped = { lines: 3, first: 'cave.jsonl, line 4: is not JSON' };
  const report = sessionReport(OUTCOME, statsOf(true), { trace: { ...TRACE, skipped }, server: SIMULATED });
  expect(reportText(report)).toMatch(/Skipped +3 broken lines; the first: cave\.jsonl, line 4: is not JSON\n/);
  expect(JSON.parse(JSON.stringify(report)).trace.skipped).toEqual(skipped);
  expect(textOf(statsOf(true))).not.toContain('Skipped');
});
