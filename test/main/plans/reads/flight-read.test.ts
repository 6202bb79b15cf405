import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures } from '../../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import type { ErrorCode } from '../../../../src/shared/errors.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour, ReadBehaviour, ReadScript } from '../../../support/fake-models.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const ON = { ...allFeatures(true), discovery: false, constrainedAnswers: false };
const SURE: ReadBehaviour = { kind: 'reads', probabilities: { block: 0.9, attack: 0.05 }, afterMs: 20 };
const WRITES: Behaviour = { kind: 'answers', action: 'block', afterMs: 200 };

let under: CachedPlanner;

async function make(
  reads: ReadScript | undefined,
  options: Partial<PlannerOptions> = {},
  writes: Behaviour | ((call: { role: string | undefined }) => Behaviour) = WRITES,
): Promise<void> {
  under = await makeCachedPlanner(typeof writes === 'function' ? writes : () => writes, {
    cache: false,
    ...(reads === undefined ? {} : { reads }),
    options: {
      domain: testDomain,
      experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
      synthesis: { models: ['a'], when: 'onDisagreement' },
      quorum: 'firstAgree',
      features: ON,
      answers: 'auto',
      ...options,
    },
  });
}

afterEach(async () => {
  await under.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

let health = 0;
function plan(timeoutMs = 1_000): Promise<Plan> {
  const observation = { place: `cave ${health++}`, health: 50 };
  return drive(under.clock, under.planner.plan(request({ observation }), { timeoutMs }));
}

function steps({ attempts }: Plan): string[] {
  return attempts.map(({ step, code }) => `${step} ${code}`);
}

function expectLegal({ action, latencyMs, confidence, probabilities }: Plan, timeoutMs = 1_000): void {
  expect(['attack', 'block', 'flee']).toContain(action);
  expect(latencyMs).toBeLessThanOrEqual(timeoutMs);
  if (confidence !== undefined) expect(confidence >= 0 && confidence <= 1).toBe(true);
  for (const each of Object.values(probabilities ?? {})) expect(each >= 0 && each <= 1).toBe(true);
}

describe('a read that decides', () => {
  test('needs no written call, and is on the plan', async () => {
    await make(() => SURE, { answers: 'read' });
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'block', source: 'quorum', model: 'e', latencyMs: 20 });
    expect(steps(decided)).toEqual(['read OK']);
    expect(decided.attempts[0]).toMatchObject({ form: 'decisions', confidence: 0.9, action: 'block' });
    expect(decided.probabilities).toEqual({ attack: 0.05, block: 0.9, flee: 0 });
    expect(decided.confidence).toBe(0.9);
    expect(under.planner.stats().reads).toMatchObject({ asked: 1, decided: 1, unsure: 0, failed: 0 });
  });

  test('is made once more, at once, if the model wrote only a blank, and then never again', async () => {
    await make(() => ({ ...SURE, startsBlank: true }), { answers: 'read' });
    expect(await plan()).toMatchObject({ action: 'block', source: 'quorum', confidence: 0.9, latencyMs: 40 });
    expect(await plan()).toMatchObject({ action: 'block', source: 'quorum', latencyMs: 20 });
  });

  test('is one request for all roles', async () => {
    await make(() => SURE, { answers: 'read' });
    await plan();
    expect(under.models.calls.filter(({ form }) => form !== undefined)).toHaveLength(1);
  });

  test('decides under auto once what is written has shown it right', async () => {
    await make(() => SURE);
    const sources = [];
    for (let i = 0; i < 80; i++) sources.push(steps(await plan()).join());
    expect(sources[0]).toContain('expert OK');
    expect(sources.slice(60).filter((each) => each === 'read OK').length).toBeGreaterThan(15);
    const decided = await plan();
    expect(decided.confidence).toBeGreaterThan(0.5);
  });
});

describe('a read that does not decide', () => {
  test('is followed by written votes', async () => {
    await make(() => ({ kind: 'reads', probabilities: { attack: 0.4, block: 0.35 }, afterMs: 20 }));
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'block', source: 'quorum', latencyMs: 220 });
    expect(steps(decided)).toEqual(['read OK', 'expert OK', 'expert OK']);
    expect(decided.confidence).toBe(0.35);
  });

  test('has two votes to be held against, even where the first agrees with experience and is enough', async () => {
    const experts = ['one', 'two'].map((role) => ({ role, model: 'e', weight: 1.2 }));
    const qValues = { attack: 0, block: 1, flee: 0 };
    const slower = ({ role }: { role: string | undefined }): Behaviour => ({
      ...WRITES,
      afterMs: role === 'one' ? 200 : 400,
    });
    const timed = async (): Promise<number> => {
      const asked = under.planner.plan(request({ qValues }), { timeoutMs: 1_000 });
      return (await drive(under.clock, asked)).latencyMs;
    };
    await make(undefined, { experts }, slower);
    expect(await timed()).toBe(200);
    await under.planner.close();
    await make(() => ({ kind: 'reads', probabilities: { block: 0.5 }, afterMs: 20 }), { experts }, slower);
    expect(await timed()).toBe(420);
  });

  test('is the best there is where no vote is in time', async () => {
    await make(() => ({ ...SURE, probabilities: { attack: 0.9 } }), {}, { ...WRITES, afterMs: 5_000 });
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'attack', source: 'vote', model: 'e' });
    expect(under.planner.stats().reads).toMatchObject({ asked: 1, decided: 0 });
  });

  test('is held against two votes of an only expert, and so may decide in time', async () => {
    await make(() => SURE, { experts: [{ role: 'one', model: 'e' }], synthesis: { models: [] } });
    expect(steps(await plan())).toEqual(['read OK', 'expert OK', 'expert OK']);
    const sources: string[] = [];
    for (let i = 0; i < 80; i++) sources.push(steps(await plan()).join());
    expect(sources.slice(60).filter((each) => each === 'read OK').length).toBeGreaterThan(15);
  });

  test('never decides under auto where written votes say otherwise', async () => {
    await make(() => ({ kind: 'reads', probabilities: { attack: 0.95 }, afterMs: 20 }));
    for (let i = 0; i < 80; i++) expect((await plan()).action).toBe('block');
  });

  test('gives no vote where all mass is elsewhere', async () => {
    await make(() => ({ kind: 'reads', probabilities: {}, afterMs: 20 }), { answers: 'read' });
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'block', confidence: 0 });
    expect(decided.attempts[0]).toMatchObject({ step: 'read', code: 'OK', confidence: 0 });
    expect(decided.attempts[0]).not.toHaveProperty('action');
  });

  test('and is slow holds up writing for half of the time at most', async () => {
    await make(() => ({ kind: 'reads', probabilities: { block: 0.9 }, afterMs: 900 }));
    const decided = await plan();
    expect(decided).toMatchObject({ action: 'block', source: 'quorum' });
    expect(decided.latencyMs).toBeLessThanOrEqual(720);
  });
});

describe('a read that ends after its deadline', () => {
  test('is remembered', async () => {
    await make(
      () => ({ kind: 'reads', probabilities: { block: 0.9 }, afterMs: 300 }),
      { answers: 'read', cache: {} },
      {
        kind: 'times-out',
      },
    );
    const same = { observation: { place: 'cave', health: 50 } };
    const late = await drive(under.clock, under.planner.plan(request(same), { timeoutMs: 200 }));
    expect(late.source).toBe('heuristic');
    expect(late.latencyMs).toBeLessThanOrEqual(200);
    under.clock.advance(400);
    await flush();
    under.clock.advance(10_000);
    await flush();
    const next = await drive(under.clock, under.planner.plan(request(same), { timeoutMs: 200 }));
    expect(next).toMatchObject({ action: 'block', source: 'cache' });
  });
});

describe('where nobody can write in time', () => {
  test('a read has all of the time and more, and no expert is asked beside it', async () => {
    const reads = () => ({ kind: 'reads', probabilities: { block: 0.9 }, afterMs: 300 }) as const;
    const features = { ...allFeatures(false), chanceFit: true, lateAnswers: true, learnedTimeouts: true };
    await make(reads, { answers: 'auto', cache: {}, features }, { kind: 'answers', action: 'block', afterMs: 5_000 });
    const at = (health: number) => request({ observation: { place: 'cave', health } });
    const ask = (health: number) => drive(under.clock, under.planner.plan(at(health), { timeoutMs: 200 }));
    const rest = async (): Promise<void> => {
      for (const ms of [150, 5_850]) {
        under.clock.advance(ms);
        await flush();
      }
    };
    for (const health of [10, 40, 80, 20]) {
      await ask(health);
      await rest();
    }
    under.planner.clearCache();
    const late = await ask(50);
    expect(steps(late)).toEqual(['read ERR_PLAN_SETTLED']);
    await rest();
    expect((await ask(50)).source).toBe('cache');
  });

  test('experts are asked for later where a read is late too and hardly quicker', async () => {
    const reads = () => ({ kind: 'reads', probabilities: { block: 0.9 }, afterMs: 900 }) as const;
    const features = { ...allFeatures(false), chanceFit: true, lateAnswers: true, learnedTimeouts: true };
    await make(reads, { answers: 'auto', cache: {}, features }, { kind: 'answers', action: 'block', afterMs: 1_000 });
    const firstSteps: (string | undefined)[] = [];
    for (let place = 0; place < 12; place++) {
      const asked = request({ observation: { place: `cave ${place}`, health: 50 } });
      const late = await drive(under.clock, under.planner.plan(asked, { timeoutMs: 200 }));
      firstSteps.push(steps(late)[0]);
      for (let nth = 0; nth < 20; nth++) {
        under.clock.advance(100);
        await flush();
      }
    }
    expect(firstSteps[0]).toBe('read ERR_PLAN_SETTLED');
    expect(firstSteps.slice(6).filter((step) => step === 'expert ERR_PLAN_SETTLED').length).toBeGreaterThanOrEqual(5);
  });
});

describe('a read where nobody can write in time', () => {
  const features = { ...ON, earlyChoices: false, priming: false };
  const endpoints = { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } };
  const written = { kind: 'answers', action: 'block', afterMs: 2_000 } as const;
  let place = 0;
  const at = (health = place++): ReturnType<typeof request> =>
    request({ observation: { place: `cave ${health}`, health: 50 }, qValues: { attack: 0.2, block: 0.9, flee: 0.1 } });
  /** Plans of 200 ms, one after the other. */
  async function ask(of = at()): Promise<Plan> {
    const start = under.clock.now();
    const decided = await drive(under.clock, under.planner.plan(of, { timeoutMs: 200 }));
    await drive(
      under.clock,
      new Promise<void>((done) => void under.clock.setTimer(start + 250 - under.clock.now(), done)),
    );
    return decided;
  }
  const open = (read: string): Promise<void> => {
    const reads: ReadScript = () => ({ kind: 'reads', probabilities: { [read]: 0.95 }, afterMs: 20 });
    return make(reads, { answers: 'auto', cache: { similar: false }, features, endpoints, lateMs: 5_000 }, written);
  };
  const readsOf = (plans: readonly Plan[]): number => plans.filter(({ source }) => source === 'vote').length;

  test('has no say once votes that were asked for then have shown it worse than the highest value', async () => {
    await open('attack');
    const plans: Plan[] = [];
    for (let i = 0; i < 90; i++) plans.push(await ask());
    expect(readsOf(plans.slice(10, 20))).toBeGreaterThan(5);
    expect(readsOf(plans.slice(-30))).toBe(0);
  });

  test('is remembered only as it was written, until it is known to be better than no model', async () => {
    await open('attack');
    for (let i = 0; i < 8; i++) await ask();
    for (let i = 0; i < 60; i++) {
      under.clock.advance(100);
      await flush();
    }
    const state = at();
    expect((await ask(state)).action).toBe('attack');
    for (let i = 0; i < 12; i++) await ask(at(-1 - i));
    expect(await ask(state)).toMatchObject({ action: 'block', source: 'cache' });
  });
});

describe('where one slot is all there is', () => {
  test('a read that hangs leaves plans on time', async () => {
    const endpoints = { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 1 } };
    await make(() => ({ kind: 'times-out' }), { endpoints });
    const sources: string[] = [];
    for (let i = 0; i < 8; i++) {
      const decided = await plan();
      expectLegal(decided);
      sources.push(decided.source);
    }
    // It is not waited for to the end: words have the slot in time.
    for (const source of sources) expect(['quorum', 'vote']).toContain(source);
  });
});

describe('a seat that cannot be read', () => {
  test('is asked in words, without a trace of reads', async () => {
    await make(undefined);
    expect(steps(await plan())).toEqual(['expert OK', 'expert OK']);
    expect(under.planner.stats().reads).toBe(false);
  });

  test('is asked for the same forms no more', async () => {
    await make(() => ({ kind: 'errors', code: 'ERR_METHOD_UNKNOWN' }));
    for (let i = 0; i < 3; i++) await plan();
    expect(under.models.calls.filter(({ form }) => form !== undefined).length).toBeLessThanOrEqual(3);
  });

  test.each(['read', 'auto'] as const)('where an expert says write, answers of %s read nothing', async (answers) => {
    await make(() => SURE, { answers, experts: [{ role: 'one', model: 'e', answers: 'write' }] });
    expect(steps(await plan()).filter((each) => each.startsWith('read'))).toEqual([]);
  });

  test.each<[form: string, isOne: boolean]>([
    ['decisions', false],
    ['systemone', false],
    ['logprobs', true],
  ])('its attempt in the form %s names its role where one alone is asked: %s', async (own, isOne) => {
    await make(({ form }) => (form === own ? SURE : { kind: 'errors', code: 'ERR_METHOD_UNKNOWN' }), {
      answers: 'read',
    });
    const [attempt] = (await plan()).attempts;
    expect(attempt).toMatchObject({ step: 'read', form: own, code: 'OK' });
    expect(attempt?.role).toBe(isOne ? 'one' : undefined);
  });

  test('its attempt names the role of the only expert in any form', async () => {
    await make(() => SURE, { answers: 'read', experts: [{ role: 'two', model: 'e' }] });
    expect((await plan()).attempts).toMatchObject([{ step: 'read', form: 'decisions', role: 'two' }]);
  });

  test('the form that its server has is found in the same call', async () => {
    await make(({ form }) => (form === 'logprobs' ? SURE : { kind: 'errors', code: 'ERR_METHOD_UNKNOWN' }), {
      answers: 'read',
    });
    const decided = await plan();
    expect(decided.attempts).toMatchObject([{ step: 'read', form: 'logprobs', code: 'OK' }]);
  });
});

const FAULTS: readonly ReadBehaviour[] = [
  ...(
    [
      'ERR_METHOD_UNKNOWN',
      'ERR_MODEL_REJECTED',
      'ERR_MODEL_MALFORMED',
      'ERR_MODEL_EMPTY',
      'ERR_MODEL_TOO_LARGE',
      'ERR_MODEL_STATUS',
      'ERR_MODEL_OVERLOADED',
      'ERR_MODEL_RESET',
      'ERR_WORKER_EXITED',
    ] satisfies ErrorCode[]
  ).map((code) => ({ kind: 'errors', code, afterMs: 5 }) as const),
  { kind: 'times-out' },
  { kind: 'reads', probabilities: {}, afterMs: 5 },
  { kind: 'reads', probabilities: { block: 1 }, afterMs: 998 },
];

describe.each(['auto', 'read'] as const)('under answers of %s', (answers) => {
  test.each(FAULTS.map((fault) => [fault.kind === 'errors' ? fault.code : JSON.stringify(fault), fault] as const))(
    '%s leaves plans legal and on time',
    async (_, fault) => {
      await make(() => fault, { answers });
      for (let i = 0; i < 6; i++) {
        const decided = await plan();
        expectLegal(decided);
        expect(['quorum', 'vote', 'synthesis']).toContain(decided.source);
      }
    },
  );

  test('any mixture of faults leaves plans legal and on time', async () => {
    await make(({ nth }) => (nth % 3 === 0 ? SURE : (FAULTS[(nth * 7) % FAULTS.length] as ReadBehaviour)), { answers });
    for (let i = 0; i < 60; i++) expectLegal(await plan());
  });
});
