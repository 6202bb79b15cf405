import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import type { DecisionsRequest } from '../../../../src/main/chat/decisions/decide.ts';
import { connectPlanner } from '../../../../src/main/faces/socket/client/connect-planner.ts';
import { SocketClient } from '../../../../src/main/faces/socket/client/socket-client.ts';
import { openSocketFace, type SocketFace } from '../../../../src/main/faces/socket/socket-face.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import type { PlannerError } from '../../../../src/shared/errors.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { ChatServer, makeChats } from '../../../support/make-chats.ts';
import { makeLog, makeSocketFolder, type SocketFolder } from '../../../support/make-socket-face.ts';
import { RawClient } from '../../../support/raw-client.ts';
import { BAD_DECISIONS } from '../../../support/rows/decision-rows.ts';
import { json } from '../../../support/scripted-server.ts';

/** Decisions over a socket, over a server that has both calls. */
let server: ChatServer;
let planner: ChatPlanner;
let face: SocketFace;
let folder: SocketFolder;
let path: string;

beforeEach(async () => {
  server = await ChatServer.start('m');
  server.routes = {
    '/v1/decisions': ({ response }) => json(response, 200, { model: 'm', answers: [{ type: 'refusal', name: null }] }),
    '/v1/systemone': ({ response }) => json(response, 200, { model: 'm', answers: { q: { type: 'noul', noul: 1 } } }),
  };
  planner = await makeChats({ local: server }, { callRetries: 0 });
  folder = makeSocketFolder();
  path = `${folder.path}/p.sock`;
  face = await openSocketFace(planner, { path }, { clock: systemClock, log: makeLog().log, version: '1.2.3' });
});

afterEach(async () => {
  await face.close();
  await planner.close();
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const QUESTION = { type: 'predicate', instructions: 'It bites.' };
const DECISION = { model: 'm', input: 'A wolf.', questions: [QUESTION] };

describe('decide', () => {
  test('is answered in the protocol of its parameters', async () => {
    using client = await RawClient.connect(path);
    const decided = await client.ask(1, 'decide', { ...DECISION, timeoutMs: 5_000 });
    expect(decided.result).toEqual({ model: 'm', answers: [{ type: 'refusal', name: null }] });
    const questions = { q: { type: 'noul', instructions: 'It bites.' } };
    const told = await client.ask(2, 'decide', { model: 'm', state: 'A wolf.', questions });
    expect(told.result).toEqual({ model: 'm', answers: { q: { type: 'noul', noul: 1 } } });
    expect(JSON.parse(server.passed[0]?.body ?? '')).toEqual(DECISION);
  });

  test.each<[string, unknown, string]>([
    ['no object', [], 'ERR_REQUEST_INVALID'],
    ['no model', { input: 'x' }, 'ERR_REQUEST_INVALID'],
    ['a model that is nowhere', { ...DECISION, model: 'gone' }, 'ERR_MODEL_MISSING'],
    ['a time that is none', { ...DECISION, timeoutMs: -1 }, 'ERR_REQUEST_INVALID'],
  ])('refuses %s', async (_, params, code) => {
    using client = await RawClient.connect(path);
    expect((await client.ask(1, 'decide', params)).error?.data.code).toBe(code);
  });

  test('is cancelled by its id', async () => {
    server.routes = { '/v1/decisions': () => {} };
    using client = await RawClient.connect(path);
    const arrived = server.next();
    client.call(1, 'decide', DECISION);
    await arrived;
    client.call(2, '$/cancel', { id: 1 });
    const answers = [await client.next(), await client.next()];
    expect(answers.find(({ id }) => id === 2)?.result).toBe(true);
    expect(answers.find(({ id }) => id === 1)?.error?.data.code).toBe('ERR_CANCELLED');
  });

  test('refuses each request that breaks a rule of its protocol, and the connection goes on', async () => {
    server.routes = {};
    using client = await RawClient.connect(path);
    for (const [id, { name, body, code, rule }] of BAD_DECISIONS.entries()) {
      const { error } = await client.ask(id, 'decide', body);
      const told = { data: { code, retryable: false }, message: expect.stringContaining(rule) };
      expect(error, name).toMatchObject(told);
      if (code === 'ERR_REQUEST_INVALID') expect(error?.code, name).toBe(-32602);
    }
    expect(server.chats).toHaveLength(0);
  });

  test('of a model that cannot be read is refused, as often as a client insists', async () => {
    server.routes = {};
    server.chat = ({ response }) => json(response, 200, { choices: [{ index: 0, message: { content: '1' } }] });
    using client = await RawClient.connect(path);
    for (const id of [1, 2, 3]) {
      const { error } = await client.ask(id, 'decide', DECISION);
      expect(error).toMatchObject({
        data: { code: 'ERR_MODEL_REJECTED' },
        message: expect.stringContaining('its model cannot be read'),
      });
    }
    expect(planner.stats().endpoints[0]?.breaker?.state ?? 'closed').toBe('closed');
  });
});

describe('a connected planner', () => {
  const REQUEST = { ...DECISION, safety_identifier: 'lydia' };

  test('decides in both protocols, with the options of the call', async () => {
    await using client = await connectPlanner(path);
    const { answers } = await client.decide(REQUEST, { timeoutMs: 5_000 });
    expect(answers).toEqual([{ type: 'refusal', name: null }]);
    expect(JSON.parse(server.passed[0]?.body ?? '')).toEqual(REQUEST);
    const asked = { model: 'm', state: 'A wolf.', questions: { q: { type: 'noul' } } };
    for (const cache of ['use', 'use', 'off'] as const) {
      expect((await client.decide(asked, { cache, fallback: false })).answers.q).toEqual({ type: 'noul', noul: 1 });
    }
    expect(server.passed.filter(({ url }) => url === '/v1/systemone')).toHaveLength(2);
  });

  test('gives errors with their code, and the connection goes on', async () => {
    await using client = await connectPlanner(path);
    const codes = [
      await codeOf(client.decide({ ...REQUEST, model: 'gone' })),
      await codeOf(client.decide(7 as unknown as DecisionsRequest)),
      await codeOf(client.decide({ ...REQUEST, timeoutMs: 5 } as DecisionsRequest)),
      await codeOf(client.decide({ ...REQUEST, input: 5n })),
      await codeOf(client.decide(REQUEST, { timeoutMs: -1 })),
      await codeOf(client.decide(REQUEST, { cache: 'always' as 'use' })),
      await codeOf(client.decide(REQUEST, { signal: AbortSignal.abort() })),
    ];
    expect(codes).toEqual([
      'ERR_MODEL_MISSING',
      ...Array.from({ length: 5 }, () => 'ERR_REQUEST_INVALID'),
      'ERR_CANCELLED',
    ]);
    expect((await client.decide(REQUEST)).answers).toHaveLength(1);
  });

  test('carries a signal: the call ends at once, here and at the model server', async () => {
    server.routes = { '/v1/decisions': () => {} };
    await using client = await connectPlanner(path);
    const arrived = server.next();
    const controller = new AbortController();
    const decided = codeOf(client.decide(REQUEST, { signal: controller.signal }));
    const { closed } = await arrived;
    controller.abort();
    expect(await decided).toBe('ERR_CANCELLED');
    await closed;
  });

  test('rejects what is pending when it is closed', async () => {
    server.routes = { '/v1/decisions': () => {} };
    const client = await connectPlanner(path);
    const arrived = server.next();
    const decided = codeOf(client.decide(REQUEST, { timeoutMs: 60_000 }));
    await arrived;
    await client.close();
    expect(await decided).toBe('ERR_PLANNER_CLOSED');
    expect(await codeOf(client.decide(REQUEST))).toBe('ERR_PLANNER_CLOSED');
  });

  test('on time, where the server hangs', async () => {
    const clock = new FakeClock();
    const client = new SocketClient({
      clock,
      input: new PassThrough(),
      output: new PassThrough(),
      address: 'the planner',
      lateGraceMs: 50,
      silenceMs: 60_000,
      callsMax: 10,
      messageBytesMax: 1_000,
      hold: () => {},
    });
    const decided = codeOf(client.decide(REQUEST, { timeoutMs: 1_000 }));
    clock.advance(1_050);
    expect(await decided).toBe('ERR_MODEL_TIMEOUT_STREAM');
    await client.close();
  });
});

async function codeOf(decided: Promise<unknown>): Promise<string> {
  return decided.then(
    () => 'decided',
    (error: PlannerError) => error.code,
  );
}
