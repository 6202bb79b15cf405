import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPlanner, type Planner, type PlannerOptions } from '../../src/main/index.ts';
import { ExpertPool } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { testDomain } from '../support/make-planner.ts';
import { type Exchange, events, FINISH, json, piece, ScriptedServer, streamHead } from '../support/scripted-server.ts';

/*
 * Choices that stand while their reasons are slow, over real sockets, on real threads. The server writes what the test
 * says and holds the rest of the answer.
 */

const ACTIONS = Array.from({ length: 12 }, (_, index) => `act ${index + 1}`);
const JSON_CHOICE = '{"choice": 12, "confidence": 0.8, "reason": "because';
const TEXT_CHOICE = '12\nBecause the';

let server: ScriptedServer;

beforeEach(async () => {
  server = await ScriptedServer.start();
});

afterEach(() => server[Symbol.asyncDispose]());

describe('the pool tells a choice', () => {
  let pool: ExpertPool;

  beforeEach(() => {
    pool = new ExpertPool({
      threads: 1,
      tasksPerThread: 4,
      stuckGraceMs: 400,
      domain: testDomain,
      endpoints: [{ name: 'server', baseURL: server.baseURL }],
      clock: systemClock,
    });
  });

  afterEach(() => pool.close());

  /** One expert's call: what was told of it, in order, and how to write its answer. */
  class Call {
    readonly told: (string | undefined)[] = [];
    readonly result: ReturnType<ExpertPool['run']>;
    #awaited = Promise.withResolvers<void>();

    constructor(tells = true) {
      const task = {
        kind: 'expert',
        planId: 1,
        role: 'one',
        model: 'm',
        endpoint: 'server',
        situation: { observation: { place: 'cave', health: 50 }, actions: ACTIONS, topValues: [] },
        maxTokens: 100,
        temperature: 0,
        timeoutMs: 30_000,
        answer: 'text',
        thinks: false,
        stream: true,
      } as const;
      const onChoice = (action: string | undefined): void => {
        this.told.push(action);
        this.#awaited.resolve();
      };
      this.result = pool.run(task, undefined, tells ? { onChoice } : {});
    }

    async next(): Promise<void> {
      await this.#awaited.promise;
      this.#awaited = Promise.withResolvers();
    }
  }

  test('as it stands and as it is withdrawn, in shared memory before the result', async () => {
    const arrival = server.next();
    server.script = ({ response }) => streamHead(response, events(piece('Act 2\n')));
    const call = new Call();
    const { response } = await arrival;
    await call.next();
    expect(call.told).toEqual(['act 2']);
    response.write(events(piece('It is near.\nACTION: 3\n')));
    await call.next();
    expect(call.told).toEqual(['act 2', undefined]);
    response.end(events(FINISH, '[DONE]'));
    expect(await call.result).toMatchObject({ ok: false, error: { code: 'ERR_VOTE_AMBIGUOUS' } });
  });

  test('of a number when it is whole: 1 is not yet 12', async () => {
    const arrival = server.next();
    server.script = ({ response }) => streamHead(response, events(piece('{"choice": 1')));
    const call = new Call();
    const { response } = await arrival;
    response.write(events(piece('2')));
    response.write(events(piece(', "confidence"')));
    await call.next();
    response.end(events(piece(': 1, "reason": "Now."}'), FINISH, '[DONE]'));
    expect(await call.result).toMatchObject({ ok: true, vote: { action: 'act 12' } });
    expect(call.told).toEqual(['act 12']);
  });

  test('to the task it belongs to, not to the next one of its slot, and to nobody who did not ask', async () => {
    server.script = ({ response }) => streamHead(response, events(piece(TEXT_CHOICE)));
    const first = new Call();
    await first.next();
    server.exchanges[0]?.response.end(events(piece(' end is near.\n'), FINISH, '[DONE]'));
    expect(await first.result).toMatchObject({ ok: true });
    server.script = ({ response }) => response.writeHead(500).end();
    const second = new Call();
    expect(await second.result).toMatchObject({ ok: false });
    server.script = ({ response }) => response.end(events(piece(TEXT_CHOICE), FINISH, '[DONE]'));
    const third = new Call(false);
    expect(await third.result).toMatchObject({ ok: true });
    expect([first.told, second.told, third.told]).toEqual([['act 12'], [], []]);
  });
});

describe.each([
  ['JSON', JSON_CHOICE],
  ['text', TEXT_CHOICE],
])('a plan whose models have chosen in %s and write their reasons slowly', (_, choice) => {
  /** `write` answers an expert, by the prompt of its role. */
  async function planner(write: (exchange: Exchange) => void, more: Partial<PlannerOptions> = {}): Promise<Planner> {
    server.script = (exchange) => {
      const { url, response } = exchange;
      if (url.endsWith('/models')) json(response, 200, { object: 'list', data: [{ id: 'm', object: 'model' }] });
      else if (url.endsWith('/chat/completions')) write(exchange);
      else json(response, 404, {});
    };
    return createPlanner({
      domain: testDomain,
      endpoints: { server: { baseURL: server.baseURL } },
      experts: ['one', 'two'].map((role) => ({ role, model: 'm' })),
      synthesis: { models: ['m'], when: 'onDisagreement' },
      features: { discovery: false, constrainedAnswers: false, priming: false },
      ...more,
    });
  }

  const ASKED = { agent: 'tester', observation: { place: 'cave', health: 50 }, actions: ACTIONS };
  const holds = ({ response }: Exchange): void => streamHead(response, events(piece(choice)));

  test('is decided by quorum within a tenth of its time', async () => {
    await using under = await planner(holds);
    const made = await under.plan(ASKED, { timeoutMs: 4_000 });
    expect(made).toMatchObject({ source: 'quorum', action: 'act 12', model: 'm' });
    const firstTokenMs = Math.max(...made.attempts.map(({ firstTokenMs = 0, waitMs }) => waitMs + firstTokenMs));
    // Some milliseconds of it are the way to the server and back, on threads that have just begun.
    expect(made.latencyMs - firstTokenMs).toBeLessThan(1_200);
    expect(made.attempts.map(({ step, code, action }) => `${step} ${code} ${action}`)).toEqual(
      Array(2).fill('expert ERR_PLAN_SETTLED act 12'),
    );
    expect(under.stats().calls.earlyChoices).toBe(2);
    expect(under.peek(ASKED)).toMatchObject({ action: 'act 12', source: 'quorum' });
  });

  test('is decided by quorum at its deadline, where more should have been heard', async () => {
    await using under = await planner(
      (exchange) => {
        if (!exchange.body.includes('YOUR ROLE: two')) holds(exchange);
      },
      {
        experts: ['one', 'one', 'two'].map((role) => ({ role, model: 'm' })),
        quorum: 'all',
        synthesis: { models: [] },
      },
    );
    const made = await under.plan(ASKED, { timeoutMs: 700 });
    expect(made).toMatchObject({ source: 'quorum', action: 'act 12' });
  });

  test('has a vote at its deadline where one of them has chosen', async () => {
    await using under = await planner(
      (exchange) => {
        if (exchange.body.includes('YOUR ROLE: one')) holds(exchange);
      },
      { synthesis: { models: [] } },
    );
    expect(await under.plan(ASKED, { timeoutMs: 700 })).toMatchObject({ source: 'vote', action: 'act 12' });
  });

  test('is decided by none of them where the feature is off', async () => {
    await using under = await planner(holds, {
      features: { discovery: false, constrainedAnswers: false, priming: false, earlyChoices: false },
    });
    expect(await under.plan(ASKED, { timeoutMs: 700 })).toMatchObject({ source: 'heuristic' });
  });
});
