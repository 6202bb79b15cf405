import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/shared/clock.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import { type ChatOutcome, ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { situationOf } from '../../../src/shared/situation.ts';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';
import { expertMessages } from '../../../src/workers/prompt.ts';
import { NO_RATES, type SimulatorOptions } from '../../../src/workers/simulator/options.ts';
import { type SimulatorHandle, startSimulator } from '../../../src/workers/simulator/start.ts';

const FAST: SimulatorOptions = { speed: 2_000, rates: NO_RATES, models: [{ id: 'one' }, { id: 'two', vision: true }] };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function simulate(options: SimulatorOptions = {}): Promise<SimulatorHandle> {
  const simulator = await startSimulator({ ...FAST, ...options });
  cleanups.push(() => simulator.close());
  return simulator;
}

function post(simulator: SimulatorHandle, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${simulator.baseURL}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'one', messages: [{ role: 'user', content: 'Hello there' }], ...body }),
    ...(signal ? { signal } : {}),
  });
}

function clientOf(simulator: SimulatorHandle): ModelClient {
  const client = new ModelClient({ name: 'sim', baseURL: simulator.baseURL }, systemClock, 8);
  cleanups.push(() => client.close());
  return client;
}

const ACTIONS = ['attack', 'block', 'retreat'];

function ask(client: ModelClient, health: number, model = 'one'): Promise<ChatOutcome> {
  const observation = { scene: 'combat', health, inCombat: true };
  const situation = situationOf({ agent: 'lydia', observation, actions: ACTIONS }, 40);
  const messages = expertMessages(skyrim, skyrim.roles[2] as never, situation);
  return client.chat({ model, messages, maxTokens: 200, temperature: 0, timeoutMs: 10_000 });
}

/** Polls, bounded, for what a server learns a moment later. */
async function eventually(claim: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !claim(); turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(claim()).toBe(true);
}

test('an evicted model takes its answer with it, which ends in an error event', async () => {
  // A token takes half a second: its answer would go on for several.
  const models = [{ id: 'one', tokensPerSecond: 0.001 }, { id: 'two' }];
  const simulator = await simulate({ models, loadedModelsMax: 1, evictionCuts: true });
  const cut = await post(simulator, { stream: true, max_tokens: 500 });
  const other = await post(simulator, { model: 'two', max_tokens: 1 });
  expect(other.status).toBe(200);
  expect(await cut.text()).toContain('Model unloaded.');
  expect(simulator.stats().cutByEviction).toBe(1);
});

describe('an answer', () => {
  test('is a vote that our own client reads', async () => {
    const simulator = await simulate();
    const client = clientOf(simulator);
    expect(await client.listModels(5_000)).toEqual(['one', 'two']);
    const outcome = await ask(client, 20);
    if (!outcome.ok) throw outcome.failure;
    expect(parseVote(outcome.answer.content, ACTIONS).kind).toBe('vote');
    expect(outcome.report).toMatchObject({ modelAnswered: 'one', cachedTokens: 0 });
    expect(outcome.report.promptTokens).toBeGreaterThan(100);
  });

  test('streams a role, the tokens, a finish, the usage and [DONE]', async () => {
    const response = await post(await simulate(), { stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = (await response.text()).split('\n\n').filter((event) => event !== '');
    expect(events.every((event) => event.startsWith('data: '))).toBe(true);
    expect(events.pop()).toBe('data: [DONE]');
    const chunks = events.map((event) => JSON.parse(event.slice(6)));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
    const usage = chunks.pop();
    expect(usage.choices).toEqual([]);
    expect(usage.usage).toMatchObject({ prompt_tokens_details: { cached_tokens: 0 } });
    expect(chunks.at(-1).choices[0].finish_reason).toBe('stop');
    expect(usage.usage.completion_tokens).toBe(chunks.length - 2);
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('')).not.toBe('');
  });

  test('gives no usage where none is asked for', async () => {
    const text = await (await post(await simulate(), { stream: true })).text();
    expect(text).not.toContain('usage');
  });

  test('not streamed is one body', async () => {
    const body = (await (await post(await simulate(), {})).json()) as never;
    expect(body).toMatchObject({
      object: 'chat.completion',
      model: 'one',
      choices: [{ finish_reason: 'stop', message: { role: 'assistant' } }],
    });
  });

  test('ends at max_tokens and says so', async () => {
    const body = (await (await post(await simulate(), { max_tokens: 2 })).json()) as never;
    expect(body).toMatchObject({ choices: [{ finish_reason: 'length' }], usage: { completion_tokens: 2 } });
  });

  test('of an empty kind is a whole stream without content', async () => {
    const simulator = await simulate({ rates: { ...NO_RATES, empty: 1 } });
    const outcome = await ask(clientOf(simulator), 50);
    expect(outcome).toMatchObject({ ok: true, answer: { content: '', finishReason: 'stop' } });
  });

  test('tells the prompt tokens that its slot had read', async () => {
    const simulator = await simulate({ slots: 1 });
    const client = clientOf(simulator);
    const first = await ask(client, 50);
    const second = await ask(client, 50);
    expect(first.report.cachedTokens).toBe(0);
    expect(second.report.cachedTokens).toBe((second.report.promptTokens ?? 0) - 1);
  });
});

test('the n-th answer to a prompt is the same in every order of requests', async () => {
  const healths = [5, 15, 25, 35, 45, 55, 65, 75];
  const options = {
    seed: 9,
    rates: { illegal: 0.1, think: 0.3, oddFormat: 0.3, http500: 0, reset: 0, hang: 0, errorEvent: 0, cut: 0 },
  };
  const answersIn = async (order: readonly number[]): Promise<Record<string, string[]>> => {
    const client = clientOf(await simulate(options));
    const answers: Record<string, string[]> = {};
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        order.map(async (health) => {
          const outcome = await ask(client, health);
          const answer = outcome.ok ? outcome.answer.content : outcome.failure.code;
          answers[health] = [...(answers[health] ?? []), answer];
        }),
      );
    }
    return answers;
  };
  const forward = await answersIn(healths);
  expect(await answersIn([...healths].reverse())).toEqual(forward);
  expect(new Set(Object.values(forward).map((list) => list.join('|'))).size).toBeGreaterThan(1);
});

describe('an unknown model', () => {
  test('is refused by LM Studio, with an error that is an object or a string', async () => {
    const object = await post(await simulate({ errorShape: 'object' }), { model: 'nope' });
    expect(object.status).toBe(400);
    expect(await object.json()).toMatchObject({
      error: { message: expect.stringContaining('Invalid model identifier "nope"') },
    });
    const string = await post(await simulate({ errorShape: 'string' }), { model: 'nope' });
    expect(await string.json()).toEqual({ error: expect.stringContaining('Invalid model identifier "nope"') });
  });

  test('is answered by the one model that LM Studio has', async () => {
    const response = await post(await simulate({ models: [{ id: 'only' }] }), { model: 'nope' });
    expect(await response.json()).toMatchObject({ model: 'only' });
  });

  test('is refused by LM Studio without models', async () => {
    const response = await post(await simulate({ models: [], errorShape: 'object' }), {});
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining('No models loaded') } });
  });

  test('is ignored by llama.cpp, which tells its real name', async () => {
    const simulator = await simulate({ flavour: 'llamacpp' });
    expect(await (await post(simulator, { model: 'nope' })).json()).toMatchObject({
      model: 'one',
      timings: { cache_n: 0 },
    });
    expect(await clientOf(simulator).listModels(5_000)).toEqual(['one']);
  });
});

test('llama.cpp answers 503 while its model is loading', async () => {
  const simulator = await simulate({
    flavour: 'llamacpp',
    preload: false,
    speed: 1,
    models: [{ id: 'one', loadSeconds: 600 }],
  });
  const chat = await post(simulator, {});
  expect(chat.status).toBe(503);
  expect(await chat.json()).toEqual({ error: { code: 503, message: 'Loading model', type: 'unavailable_error' } });
  expect((await fetch(new URL('/health', simulator.baseURL))).status).toBe(503);
});

test('a picture is taken by a model that sees and refused by others', async () => {
  const simulator = await simulate();
  const content = [
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
    { type: 'text', text: 'What is this?' },
  ];
  const messages = [{ role: 'user', content }];
  expect((await post(simulator, { messages, model: 'two' })).status).toBe(200);
  expect((await post(simulator, { messages, model: 'one' })).status).toBe(400);
});

test.each([
  [{ flavour: 'lmstudio' }, 200],
  [{ flavour: 'llamacpp' }, 404],
] as const)('an unknown path with %j answers %i', async (options, status) => {
  const simulator = await simulate(options);
  const response = await fetch(new URL('/nope', simulator.baseURL));
  expect(response.status).toBe(status);
  expect(await response.json()).toHaveProperty('error');
});

test('a body that is no request answers 400', async () => {
  const simulator = await simulate();
  const broken = await fetch(`${simulator.baseURL}/chat/completions`, { method: 'POST', body: '{' });
  expect(broken.status).toBe(400);
  expect((await post(simulator, { messages: [] })).status).toBe(400);
});

describe('a failure at a rate of 1', () => {
  test.each([
    ['http500', 'ERR_MODEL_STATUS'],
    ['reset', 'ERR_MODEL_RESET'],
    ['errorEvent', 'ERR_MODEL_STATUS'],
    ['cut', 'ERR_MODEL_RESET'],
  ] as const)('%s is seen by the client as %s, and leaves no slot busy', async (name, code) => {
    const simulator = await simulate({ rates: { ...NO_RATES, [name]: 1 } });
    const outcome = await ask(clientOf(simulator), 50);
    expect(outcome.ok ? 'ok' : outcome.failure.code).toBe(code);
    await eventually(() => simulator.stats().active === 0);
    expect(simulator.stats().failuresPlayed).toBe(1);
  });

  test('hang never answers, and ends with the server', async () => {
    const simulator = await simulate({ rates: { ...NO_RATES, hang: 1 } });
    const controller = new AbortController();
    const call = post(simulator, {}, controller.signal);
    await eventually(() => simulator.stats().requests === 1);
    controller.abort();
    await expect(call).rejects.toThrow();
    expect(simulator.stats().active).toBe(0);
  });
});

describe('a server as llama.cpp', () => {
  const LLAMA: SimulatorOptions = { flavour: 'llamacpp', slots: 4 };
  const messages = (text: string): object => ({ messages: [{ role: 'user', content: text }] });

  test('fails with 500 on half of a surrogate pair, which LM Studio takes', async () => {
    expect((await post(await simulate(LLAMA), messages('a \ud800 b'))).status).toBe(500);
    expect((await post(await simulate(LLAMA), messages('a 😀 b'))).status).toBe(200);
    expect((await post(await simulate(), messages('a \ud800 b'))).status).toBe(200);
  });

  test.each([{ stream: true }, { stream: false }])(
    'fails again on the prompt whose answer it cannot parse: %j',
    async (body) => {
      const simulator = await simulate({ ...LLAMA, rates: { ...NO_RATES, unparsable: 0.5 } });
      const failed = async (text: string): Promise<boolean> =>
        (await (await post(simulator, { ...messages(text), ...body })).text()).includes('does not match the expected');
      const prompts = Array.from({ length: 12 }, (_, nth) => `prompt ${nth}`);
      const first = await Promise.all(prompts.map(failed));
      expect(await Promise.all(prompts.map(failed))).toEqual(first);
      expect(new Set(first)).toEqual(new Set([true, false]));
      expect(simulator.stats().active).toBe(0);
    },
  );

  test('takes a slot for each answer that is asked for, and no more than it has', async () => {
    const simulator = await simulate({ ...LLAMA, speed: 1 });
    const controller = new AbortController();
    const asked = post(simulator, { n: 3, stream: true }, controller.signal).catch(() => undefined);
    await eventually(() => simulator.stats().active === 3);
    controller.abort();
    await asked;
    expect((await post(simulator, { n: 5 })).status).toBe(400);
  });

  test.each([{ stream: true }, { stream: false }])('gives all of them: %j', async (body) => {
    const text = await (await post(await simulate(LLAMA), { n: 3, ...body })).text();
    for (const index of [0, 1, 2]) expect(text).toContain(`"index":${index}`);
    expect(text).not.toContain('"index":3');
    if (body.stream) expect(text.match(/\[DONE\]/g)).toHaveLength(1);
    else expect((JSON.parse(text) as { choices: unknown[] }).choices).toHaveLength(3);
    expect(((await (await post(await simulate(), { n: 3 })).json()) as { choices: unknown[] }).choices).toHaveLength(1);
  });

  test('tells other slots when it was started anew, at the same port', async () => {
    const simulator = await simulate(LLAMA);
    const slots = async (): Promise<unknown> =>
      ((await (await fetch(`http://127.0.0.1:${simulator.port}/props`)).json()) as { total_slots: number }).total_slots;
    expect(await slots()).toBe(4);
    await simulator.restart({ slots: 2 });
    expect(await slots()).toBe(2);
  });
});

test.each([{ stream: true }, { stream: false }])('a client that leaves frees the slot: %j', async (body) => {
  // A speed at which the answer would take minutes.
  const simulator = await simulate({ speed: 0.01, abortSeconds: 0, slots: 1 });
  const controller = new AbortController();
  const call = post(simulator, body, controller.signal).catch(() => undefined);
  await eventually(() => simulator.stats().active === 1);
  const waiting = post(simulator, body, controller.signal).catch(() => undefined);
  await eventually(() => simulator.stats().queued === 1);
  controller.abort();
  await Promise.all([call, waiting]);
  await eventually(() => simulator.stats().active === 0 && simulator.stats().queued === 0);
  expect(simulator.stats()).toMatchObject({ aborted: 2, completed: 0 });
});

test('a full queue answers 503', async () => {
  const simulator = await simulate({ speed: 0.01, slots: 1, queueMax: 0 });
  const controller = new AbortController();
  const held = post(simulator, {}, controller.signal).catch(() => undefined);
  await eventually(() => simulator.stats().active === 1);
  expect((await post(simulator, {})).status).toBe(503);
  controller.abort();
  await held;
});

describe('options', () => {
  test.each([
    [{ slots: 0 }, 'simulator.slots must be a whole number from 1 to 1024, got 0'],
    [{ speed: Number.NaN }, 'simulator.speed must be a number of at least 0.001, got NaN'],
    [{ rates: { illegal: 1.5 } }, 'simulator.rates.illegal must be a number from 0 to 1, got 1.5'],
    [{ rates: { illegal: 0.6, empty: 0.6 } }, 'simulator.rates must have a sum of at most 1'],
    [{ models: [{ id: 'a' }, { id: 'a' }] }, 'simulator.models[1].id must differ'],
    [{ models: [{ skill: 1 }] }, 'simulator.models[0].id must be a text'],
    [{ sped: 1 }, 'simulator.sped is not a known option'],
    [{ flavour: 'sglang' }, 'simulator.flavour must be one of lmstudio, ollama, llamacpp, vllm, got "sglang"'],
  ])('%j is refused', async (options, message) => {
    const refused = startSimulator(options as SimulatorOptions);
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining(message),
    });
  });

  test('a port that is taken is refused', async () => {
    const { port } = await simulate();
    await expect(startSimulator({ port })).rejects.toMatchObject({ message: expect.stringContaining('EADDRINUSE') });
  });
});

describe('in a thread', () => {
  const entry = new URL('../../../src/workers/simulator/simulator-thread.ts', import.meta.url);
  const firstMessage = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve));

  test('says its port when it is ready, and ends when told', async () => {
    const worker = new Worker(entry, { workerData: FAST });
    const ready = (await firstMessage(worker)) as { kind: string; port: number };
    expect(ready.kind).toBe('ready');
    expect((await fetch(`http://127.0.0.1:${ready.port}/health`)).status).toBe(200);
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ kind: 'close' });
    expect(await exited).toBe(0);
  });

  test('says why it could not start', async () => {
    const worker = new Worker(entry, { workerData: { slots: -1 } });
    expect(await firstMessage(worker)).toMatchObject({ kind: 'failed', error: { code: 'ERR_OPTIONS_INVALID' } });
    await worker.terminate();
  });
});
