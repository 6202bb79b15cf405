import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import { checkCrossing } from '../../../../src/main/faces/ipc/peer-options.ts';
import { PlannerClient } from '../../../../src/main/faces/ipc/planner-client.ts';
import { PlannerServer } from '../../../../src/main/faces/ipc/planner-server.ts';
import type { PlannerError } from '../../../../src/shared/errors.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakePeer } from '../../../support/fake-peer.ts';
import { ChatServer, makeChats } from '../../../support/make-chats.ts';
import { testOptions } from '../../../support/make-planner.ts';
import { json } from '../../../support/scripted-server.ts';

/** A planner elsewhere, behind a channel of this thread, whose model server has the call. */
class LinkedPeer extends FakePeer {
  #deliver: (message: unknown) => void = () => {};
  isHung = false;

  constructor(planner: ChatPlanner, clock: FakeClock) {
    super();
    const channel = {
      post: (message: unknown) => this.say(message),
      listen: (listener: (message: unknown) => void) => {
        this.#deliver = listener;
      },
    };
    new PlannerServer({ channel, createPlanner: async () => planner, clock, sharesMemory: false });
  }

  override post(message: unknown): void {
    super.post(message);
    if (!this.isHung) this.#deliver(structuredClone(message));
  }
}

let server: ChatServer;
let planner: ChatPlanner;
let clock: FakeClock;
let peer: LinkedPeer;
let client: PlannerClient;

beforeEach(async () => {
  clock = new FakeClock(1_000);
  server = await ChatServer.start('m');
  server.routes = { '/v1/decisions': ({ response }) => json(response, 200, { model: 'm', answers: [ANSWER] }) };
  planner = await makeChats({ local: server }, { callRetries: 0 }, clock);
  peer = new LinkedPeer(planner, clock);
  const remote = { lateGraceMs: 50, startTimeoutMs: 5_000, closeTimeoutMs: 1_000, callsMax: 2 };
  client = new PlannerClient({ peer, clock, planner: checkCrossing(testOptions), remote });
  await client.start(testOptions);
  await flush();
});

afterEach(async () => {
  await planner.close();
  expect(clock.pendingTimers).toBe(0);
  await server[Symbol.asyncDispose]();
});

const ANSWER = { type: 'predicate', name: null, probability: 0.75 };
const REQUEST = { model: 'm', input: 'A wolf.', questions: [{ type: 'predicate', instructions: 'It bites.' }] };

async function codeOf(decided: Promise<unknown>): Promise<string> {
  return decided.then(
    () => 'decided',
    (error: PlannerError) => error.code,
  );
}

describe('a decision of a planner elsewhere', () => {
  test('is asked with its options, and has the answer', async () => {
    const decided = await client.decide(REQUEST, { timeoutMs: 5_000, fallback: false, cache: 'off' });
    expect(decided).toEqual({ model: 'm', answers: [ANSWER] });
    expect(peer.asked('decide')).toEqual({
      call: 1,
      request: REQUEST,
      options: { timeoutMs: 5_000, fallback: false, cache: 'off' },
    });
    expect(JSON.parse(server.passed[0]?.body ?? '')).toEqual(REQUEST);
  });

  test('fails with the code of the planner, or that of the rule it breaks', async () => {
    expect(await codeOf(client.decide({ ...REQUEST, model: 'gone' }))).toBe('ERR_MODEL_MISSING');
    expect(await codeOf(client.decide(REQUEST, { timeoutMs: Number.NaN }))).toBe('ERR_REQUEST_INVALID');
    expect(await codeOf(client.decide({ ...REQUEST, input: () => {} }))).toBe('ERR_REQUEST_INVALID');
    expect(await codeOf(client.decide(REQUEST, { signal: AbortSignal.abort() }))).toBe('ERR_CANCELLED');
  });

  test('ends with its signal, here and at the model server', async () => {
    server.routes = { '/v1/decisions': () => {} };
    const controller = new AbortController();
    const arrived = server.next();
    const decided = codeOf(client.decide(REQUEST, { signal: controller.signal }));
    const { closed } = await arrived;
    controller.abort();
    expect(await decided).toBe('ERR_CANCELLED');
    await closed;
  });

  test('is not waited for longer than its time and grace where the planner hangs', async () => {
    peer.isHung = true;
    const decided = codeOf(client.decide(REQUEST, { timeoutMs: 1_000 }));
    const second = codeOf(client.decide(REQUEST));
    expect(await codeOf(client.decide(REQUEST))).toBe('ERR_PLANNER_OVERLOADED');
    clock.advance(1_049);
    clock.advance(1);
    expect(await decided).toBe('ERR_MODEL_TIMEOUT_STREAM');
    peer.end({ code: 1, signal: null });
    expect(await second).toBe('ERR_PEER_EXITED');
  });
});
