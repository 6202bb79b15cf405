import { createConnection } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { checkCrossing } from '../../../src/main/faces/ipc/peer-options.ts';
import { PlannerClient } from '../../../src/main/faces/ipc/planner-client.ts';
import { PlannerServer } from '../../../src/main/faces/ipc/planner-server.ts';
import { SocketClient } from '../../../src/main/faces/socket/client/socket-client.ts';
import { WHY_CODES, type WhyCode } from '../../../src/main/plans/ladder/why.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import { flush } from '../../support/drive.ts';
import { makePlanner, type request, testOptions } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';
import { openFace } from '../../support/open-face.ts';
import { pairedChannels } from '../../support/paired-channels.ts';
import { RawClient } from '../../support/raw-client.ts';
import { expectedWhy, type Stage, WHY_SCENARIOS, type WhyScenario } from '../../support/why-scenarios.ts';

/** What a face opens is closed after its test. */
let opened: AsyncDisposableStack;
afterEach(() => opened.disposeAsync());

type Opening = (scenario: WhyScenario, stack: AsyncDisposableStack) => Promise<Stage>;

const FACES: Readonly<Record<string, Opening>> = {
  HTTP: async ({ script, options = {} }, stack) => {
    const face = stack.use(await openFace({ script, planner: options }));
    const plan = async (asked: ReturnType<typeof request>, timeoutMs: number): Promise<Plan> =>
      (await (await face.post({ ...asked, timeoutMs })).json()) as Plan;
    return { planner: face.planner, clock: face.clock, plan };
  },
  'the socket': async ({ script, options = {} }, stack) => {
    const face = stack.use(await makeSocketFace({ script, planner: options }));
    const plan = async (asked: ReturnType<typeof request>, timeoutMs: number): Promise<Plan> => {
      using client = await RawClient.connect(face.path);
      client.call(1, 'plan', { ...asked, timeoutMs });
      return (await client.next()).result;
    };
    return { planner: face.planner, clock: face.clock, plan };
  },
  'the client of the socket': async ({ script, options = {} }, stack) => {
    const face = stack.use(await makeSocketFace({ script, planner: options }));
    // As `connectPlanner` makes it, but by the clock of the test: it tells the server how much of the plan's time is left.
    const socket = createConnection(face.path);
    const link = { input: socket, output: socket, address: face.path, hold: () => {} };
    const bounds = { lateGraceMs: 60_000, silenceMs: 3_600_000, callsMax: 100, messageBytesMax: 2 ** 20 };
    const client = stack.use(new SocketClient({ ...link, ...bounds, clock: face.clock }));
    await client.hello('test');
    return { planner: face.planner, clock: face.clock, plan: (asked, timeoutMs) => client.plan(asked, { timeoutMs }) };
  },
  'a thread': async ({ script, options = {} }, stack) => {
    const under = stack.use(await makePlanner(script, options));
    const [peer, channel] = pairedChannels();
    const createPlanner = async (): Promise<ChatPlanner> => under.planner;
    new PlannerServer({ channel, createPlanner, clock: under.clock, sharesMemory: true });
    const remote = { lateGraceMs: 60_000, startTimeoutMs: 5_000, closeTimeoutMs: 1_000, callsMax: 100 };
    const parts = { peer, clock: under.clock, planner: checkCrossing(testOptions), remote };
    const client = new PlannerClient(parts);
    await client.start(testOptions);
    return { ...under, plan: (asked, timeoutMs) => client.plan(asked, { timeoutMs }) };
  },
};

const scenarios = (Object.entries(WHY_SCENARIOS) as [WhyCode, WhyScenario][]).filter(([, each]) => !each.isEmbedded);

describe.each(Object.entries(FACES))('through %s a plan that no model decided says why', (_, open) => {
  test.each(scenarios)('%s', async (code, scenario) => {
    opened = new AsyncDisposableStack();
    const stage = await open(scenario, opened);
    const { source, why } = await scenario.play(stage);
    expect([source, why]).toEqual(['heuristic', expectedWhy(code, scenario)]);
    await flush();
  });
});

test('the document of HTTP has the codes, and how far a call had come', async () => {
  opened = new AsyncDisposableStack();
  const face = opened.use(await openFace());
  const document = JSON.stringify(await (await face.call('/openapi.json')).json());
  const codes = JSON.stringify(Object.keys(WHY_CODES));
  expect(document).toContain(`"why":{"type":"object","properties":{"code":{"type":"string","enum":${codes}}`);
  expect(document).toContain('"enum":["queued","called","sent","headers","token","choice"]');
});
