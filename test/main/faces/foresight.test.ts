import { afterEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { checkCrossing } from '../../../src/main/faces/ipc/peer-options.ts';
import { PlannerClient } from '../../../src/main/faces/ipc/planner-client.ts';
import { PlannerServer } from '../../../src/main/faces/ipc/planner-server.ts';
import { connectPlanner } from '../../../src/main/faces/socket/client/connect-planner.ts';
import type { Planner } from '../../../src/main/plans/planner.ts';
import { makePlanner, request, testOptions } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';
import { openFace } from '../../support/open-face.ts';
import { pairedChannels } from '../../support/paired-channels.ts';
import { RawClient } from '../../support/raw-client.ts';

let opened: AsyncDisposableStack;
afterEach(() => opened.disposeAsync());

/** A planner, and a way to tell it something from outside: what is refused rejects or throws with its code. */
interface Door {
  readonly planner: Planner;
  readonly tell: (method: 'expect' | 'observe', told: unknown) => Promise<unknown>;
}

const ROUTES = { expect: '/v1/expectations', observe: '/v1/observations' } as const;
const script = () => ({ kind: 'answers', action: 'block' }) as const;

const DOORS: Readonly<Record<string, (stack: AsyncDisposableStack) => Promise<Door>>> = {
  HTTP: async (stack) => {
    const face = stack.use(await openFace({ script }));
    const headers = { 'content-type': 'application/json' };
    return {
      planner: face.planner,
      tell: async (method, told) => {
        const body = JSON.stringify(method === 'expect' ? { futures: told } : told);
        const answer = await face.call(ROUTES[method], { method: 'POST', headers, body });
        if (answer.status !== 204) throw await answer.json();
      },
    };
  },
  'the socket': async (stack) => {
    const face = stack.use(await makeSocketFace({ script }));
    return {
      planner: face.planner,
      tell: async (method, told) => {
        using client = await RawClient.connect(face.path);
        const { error, result } = await client.ask(1, method, method === 'expect' ? { futures: told } : told);
        if (error !== undefined) throw { code: error.data.code, message: error.message };
        expect(result).toBe(null);
      },
    };
  },
  'the client of the socket': async (stack) => {
    const face = stack.use(await makeSocketFace({ script }));
    const client = stack.use(await connectPlanner(face.path));
    return { planner: face.planner, tell: (method, told) => client[method](told as never) };
  },
  'a thread': async (stack) => {
    const under = stack.use(await makePlanner(script));
    const [peer, channel] = pairedChannels();
    const createPlanner = async (): Promise<ChatPlanner> => under.planner;
    new PlannerServer({ channel, createPlanner, clock: under.clock, sharesMemory: true });
    const remote = { lateGraceMs: 60_000, startTimeoutMs: 5_000, closeTimeoutMs: 1_000, callsMax: 100 };
    const client = new PlannerClient({ peer, clock: under.clock, planner: checkCrossing(testOptions), remote });
    await client.start(testOptions);
    return { planner: under.planner, tell: (method, told) => client[method](told as never) };
  },
};

const CAVE = request();

describe.each(Object.entries(DOORS))('through %s', (_, open) => {
  test('futures and observations arrive', async () => {
    opened = new AsyncDisposableStack();
    const { planner, tell } = await open(opened);
    await tell('expect', [
      { ...CAVE, inMs: 500 },
      { ...CAVE, agent: 'other', likelihood: 0.5 },
    ]);
    expect(planner.stats().foresight.told).toBe(2);
    await tell('observe', { ...CAVE, observation: { place: 'wood', health: 50 } });
    expect(planner.stats().landing).toMatchObject({ fits: 0, moved: 0, illegal: 0 });
  });

  test('the usual errors tell what is wrong', async () => {
    opened = new AsyncDisposableStack();
    const { planner, tell } = await open(opened);
    const refused = { code: 'ERR_REQUEST_INVALID' };
    await expect(tell('expect', 'all')).rejects.toMatchObject(refused);
    await expect(tell('expect', [{ ...CAVE, inMs: 'soon' }])).rejects.toMatchObject(refused);
    await expect(tell('expect', [CAVE, { ...CAVE, timeoutMs: 5 }])).rejects.toMatchObject(refused);
    await expect(tell('observe', { ...CAVE, actions: [] })).rejects.toMatchObject(refused);
    await expect(tell('observe', { ...CAVE, timeoutMs: 5 })).rejects.toMatchObject(refused);
    expect(planner.stats().foresight.told).toBe(0);
  });

  test('futures that are very long are refused as others are, or counted', async () => {
    opened = new AsyncDisposableStack();
    const { planner, tell } = await open(opened);
    const qValues = Object.fromEntries(Array.from({ length: 8_000 }, (_each, nth) => [`action ${nth}`, nth]));
    const long = { ...CAVE, qValues };
    await expect(tell('expect', [long, { ...long, agent: '' }])).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    expect(planner.stats().foresight.told).toBe(0);
    await tell('expect', [long, { ...CAVE, agent: 'other' }]);
    expect(planner.stats().foresight.told).toBe(2);
  });

  test('a state of many actions is told whole', async () => {
    opened = new AsyncDisposableStack();
    const { tell } = await open(opened);
    await tell('observe', { ...CAVE, actions: Array.from({ length: 8_000 }, (_each, nth) => `action ${nth}`) });
  });
});
