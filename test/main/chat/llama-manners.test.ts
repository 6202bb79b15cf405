import { afterEach, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { NO_RATES } from '../../../src/workers/simulator/options.ts';
import { type SimulatorHandle, startSimulator } from '../../../src/workers/simulator/start.ts';
import { makeChats } from '../../support/make-chats.ts';

/** Chats on the simulated server, as llama.cpp is. */
let server: SimulatorHandle;
let planner: ChatPlanner;
const features = { constrainedAnswers: false };

afterEach(async () => {
  await planner.close();
  await server.close();
});

async function open(discovery: boolean): Promise<void> {
  server = await startSimulator({
    flavour: 'llamacpp',
    speed: 2_000,
    rates: NO_RATES,
    models: [{ id: 'm' }],
    slots: 4,
  });
  planner = await makeChats({ one: server }, { features: { ...features, discovery }, callRetries: 0 });
}

const endpoint = () => planner.stats().endpoints[0];

async function codeOf(content: unknown): Promise<string> {
  const reply = await planner.chats.chat({ model: 'm', messages: [{ role: 'user', content }] });
  return reply.kind === 'failed' ? reply.error.code : reply.kind;
}

test('requests at fault take the server from nobody, and pictures are no trouble once it says that it sees none', async () => {
  await open(false);
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  for (let nth = 0; nth < 7; nth++) {
    expect(await codeOf([picture])).toBe('ERR_MODEL_STATUS');
    // Failures of one moment count once.
    await new Promise((resolve) => setTimeout(resolve, 110));
  }
  expect(await codeOf('hi')).toBe('whole');
  expect(endpoint()).toMatchObject({ referenceCalls: 1, breaker: { state: 'closed', opened: 0 } });
  await planner.close();
  await server.close();
  await open(true);
  expect(await codeOf([picture])).toBe('ERR_MODEL_REJECTED');
  expect(server.stats().requests).toBe(0);
  expect(await codeOf('half of a pair: \ud800')).toBe('whole');
});

test('a server that was started anew with other slots is given as many calls as it has now', async () => {
  await open(true);
  expect(await codeOf('hi')).toBe('whole');
  expect(endpoint()).toMatchObject({ slots: 4, slotsKnown: true });
  await server.close();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await codeOf('hi')).toBe('ERR_MODEL_REFUSED');
  await server.restart({ slots: 2 });
  expect(await codeOf('hi')).toBe('whole');
  await expect.poll(() => endpoint()?.slots, { timeout: 5_000 }).toBe(2);
});
