import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import { openSocketFace, type SocketFace } from '../../../../src/main/faces/socket/socket-face.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { ChatServer, makeChats } from '../../../support/make-chats.ts';
import { makeLog, makeSocketFolder, type SocketFolder } from '../../../support/make-socket-face.ts';
import { RawClient } from '../../../support/raw-client.ts';
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
});
