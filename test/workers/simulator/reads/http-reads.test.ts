import OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../../src/shared/clock.ts';
import {
  NO_RATES,
  resolveSimulatorOptions,
  type ServerFlavour,
  type SimulatorOptions,
} from '../../../../src/workers/simulator/options.ts';
import { type SimulatorHandle, startSimulator } from '../../../../src/workers/simulator/start.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const FAST: SimulatorOptions = { speed: 2_000, rates: NO_RATES, models: [{ id: 'one' }, { id: 'two', vision: true }] };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function simulate(options: SimulatorOptions = {}, clock: Clock = systemClock): Promise<SimulatorHandle> {
  const simulator = await startSimulator({ ...FAST, ...options }, clock);
  cleanups.push(() => simulator.close());
  return simulator;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a server says.
  readonly body: any;
}

async function post(simulator: SimulatorHandle, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${simulator.baseURL}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

/** Polls, bounded, for what a server learns a moment later. */
async function eventually(claim: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !claim(); turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(claim()).toBe(true);
}

const ACTIONS = ['attack', 'block', 'retreat', 'drink_potion'];
const SITUATION = 'SITUATION\nscene: combat\nhealth: 20\nin combat: yes';
const LETTERED = `${SITUATION}\n\nACTIONS\nA. attack\nB. block\nC. retreat\nD. drink_potion\n\nANSWER\nOnly the letter of one action.`;

const CRITERIA = Object.fromEntries(ACTIONS.map((action) => [action, null]));
const CHOICE = { type: 'choice', instructions: 'What now?', criteria: CRITERIA };

const systemOne = (more: object = {}): object => ({
  model: 'one',
  state: SITUATION,
  questions: { a: CHOICE },
  ...more,
});
const decisions = (more: object = {}): object => ({
  model: 'one',
  input: SITUATION,
  questions: [{ type: 'choice', instructions: 'What now?', choices: ACTIONS.map((value) => ({ value })) }],
  ...more,
});
const label = (more: object = {}): object => ({
  model: 'one',
  messages: [{ role: 'user', content: LETTERED }],
  max_tokens: 1,
  logprobs: true,
  top_logprobs: 10,
  ...more,
});

const sum = (values: readonly unknown[]): number => values.reduce<number>((total, value) => total + Number(value), 0);

describe('System One', () => {
  test('answers each question with a probability for each option', async () => {
    const questions = {
      a: CHOICE,
      danger: { type: 'noul', instructions: 'Is there danger?', criteria: { true: 'there is' } },
      'how bad?': { type: 'score', instructions: 'How bad is it?', criteria: ['fine', 'bad', 'worst'] },
    };
    const { status, body } = await post(await simulate({ flavour: 'vllm' }), 'systemone', systemOne({ questions }));
    expect(status).toBe(200);
    expect(Object.keys(body.answers)).toEqual(Object.keys(questions));
    const { a, danger, 'how bad?': bad } = body.answers;
    expect(Object.keys(a.probabilities)).toEqual(ACTIONS);
    expect(sum(Object.values(a.probabilities))).toBeCloseTo(1);
    expect(a.probabilities[a.choice]).toBe(Math.max(...(Object.values(a.probabilities) as number[])));
    expect(danger).toMatchObject({ type: 'noul', noul: expect.any(Number) });
    expect(bad).toMatchObject({ type: 'score', legend: { 0: 'fine', 1: 'bad', 2: 'worst' } });
    expect(bad.score).toBeCloseTo(bad.probabilities[1] + 2 * bad.probabilities[2]);
  });

  test('of vLLM tells how much lay on the labels, of llama.cpp counts no tokens written', async () => {
    const vllm = (await post(await simulate({ flavour: 'vllm' }), 'systemone', systemOne())).body;
    expect(vllm).toMatchObject({ object: 'structured_decision', model: 'one', usage: { output_tokens: 1 } });
    expect(vllm.diagnostics.a.label_mass).toBeGreaterThan(0.8);
    const llama = (await post(await simulate({ flavour: 'llamacpp', reads: 'systemone' }), 'systemone', systemOne()))
      .body;
    expect(llama).toMatchObject({ model: 'one', usage: { output_tokens: 0 } });
    expect(llama.diagnostics).toBeUndefined();
  });

  test('is answered by the same chances as a label in a chat', async () => {
    const simulator = await simulate({ flavour: 'vllm', models: [{ id: 'one', skill: 1 }] });
    const { choice } = (await post(simulator, 'systemone', systemOne())).body.answers.a;
    const { content } = (await post(simulator, 'chat/completions', label())).body.choices[0].message;
    expect(ACTIONS['ABCD'.indexOf(content)]).toBe(choice);
  });

  test('knows options by their description where their names are letters', async () => {
    const simulator = await simulate({ flavour: 'vllm', models: [{ id: 'one', skill: 1 }] });
    const criteria = Object.fromEntries(ACTIONS.map((action, index) => ['ABCD'[index], action]));
    const named = (await post(simulator, 'systemone', systemOne())).body.answers.a.choice;
    const lettered = (await post(simulator, 'systemone', systemOne({ questions: { a: { ...CHOICE, criteria } } })))
      .body;
    expect(ACTIONS['ABCD'.indexOf(lettered.answers.a.choice)]).toBe(named);
  });

  test('takes messages with pictures for a state, where the model sees', async () => {
    const simulator = await simulate({ flavour: 'vllm' });
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    const state = [{ role: 'user', content: [picture, { type: 'text', text: SITUATION }] }];
    expect((await post(simulator, 'systemone', systemOne({ state, model: 'two' }))).status).toBe(200);
    expect((await post(simulator, 'systemone', systemOne({ state }))).status).toBe(400);
  });

  test('answers a question alike whatever is asked beside it, and at each asking', async () => {
    const simulator = await simulate({ flavour: 'vllm', seed: 7 });
    const alone = (await post(simulator, 'systemone', systemOne())).body.answers.a;
    const other = { ...CHOICE, instructions: 'And then?' };
    const beside = (await post(simulator, 'systemone', systemOne({ questions: { z: other, a: CHOICE } }))).body.answers;
    expect(beside.a).toEqual(alone);
    expect(beside.z.probabilities).not.toEqual(alone.probabilities);
    const again = await simulate({ flavour: 'vllm', seed: 7 });
    expect((await post(again, 'systemone', systemOne())).body.answers.a).toEqual(alone);
    const elsewhere = await simulate({ flavour: 'vllm', seed: 8 });
    expect((await post(elsewhere, 'systemone', systemOne())).body.answers.a).not.toEqual(alone);
  });
});

function optionsOf(count: number): Record<string, null> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`option_${index}`, null]));
}

function questionsOf(count: number): Record<string, object> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`q${index}`, CHOICE]));
}

describe('the limits of System One', () => {
  const DECIDES: SimulatorOptions = { flavour: 'llamacpp', reads: 'systemone' };
  const VLLM: SimulatorOptions = { flavour: 'vllm' };

  test.each<readonly [string, SimulatorOptions, object, number]>([
    ['26 options for vLLM', VLLM, { questions: { a: { ...CHOICE, criteria: optionsOf(26) } } }, 200],
    ['27 options for vLLM', VLLM, { questions: { a: { ...CHOICE, criteria: optionsOf(27) } } }, 400],
    ['64 questions for vLLM', VLLM, { questions: questionsOf(64) }, 200],
    ['65 questions for vLLM', VLLM, { questions: questionsOf(65) }, 400],
    ['65 questions for llama.cpp', DECIDES, { questions: questionsOf(65) }, 200],
    ['255 options for llama.cpp', DECIDES, { questions: { a: { ...CHOICE, criteria: optionsOf(255) } } }, 200],
    ['256 options for llama.cpp', DECIDES, { questions: { a: { ...CHOICE, criteria: optionsOf(256) } } }, 400],
    ['an unknown member for vLLM', VLLM, { temperature: 0 }, 400],
    ['an unknown member of a question for vLLM', VLLM, { questions: { a: { ...CHOICE, weight: 1 } } }, 400],
    ['an unknown member for llama.cpp', DECIDES, { temperature: 0 }, 200],
    ['no question', VLLM, { questions: {} }, 400],
    ['a question without an id', DECIDES, { questions: { '': CHOICE } }, 400],
    ['one option', VLLM, { questions: { a: { ...CHOICE, criteria: { attack: null } } } }, 400],
    ['no option', VLLM, { questions: { a: { ...CHOICE, criteria: {} } } }, 400],
    ['an unknown type', VLLM, { questions: { a: { ...CHOICE, type: 'rank' } } }, 400],
    ['no state', VLLM, { state: undefined }, 400],
    ['a state beyond the context', VLLM, { state: 'x'.repeat(40_000) }, 400],
    ['an unknown model for vLLM', VLLM, { model: 'nope' }, 404],
    ['an unknown model for llama.cpp', DECIDES, { model: 'nope' }, 200],
    ['half of a surrogate pair for llama.cpp', DECIDES, { state: 'a \ud800 b' }, 500],
  ])('%s', async (_, options, more, status) => {
    const answer = await post(await simulate(options), 'systemone', systemOne(more));
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.body).toHaveProperty('error');
  });

  test('a body that is no request answers 400', async () => {
    const simulator = await simulate(VLLM);
    const broken = await fetch(`${simulator.baseURL}/systemone`, { method: 'POST', body: '{' });
    expect(broken.status).toBe(400);
    expect(simulator.stats()).toMatchObject({ requests: 1, refused: 1 });
  });
});

describe('the Decisions API', () => {
  test("is what OpenAI's client speaks: typed values, answers in order, names or null", async () => {
    const simulator = await simulate({ flavour: 'vllm' });
    const client = new OpenAI({ baseURL: simulator.baseURL, apiKey: 'none', maxRetries: 0 });
    const decision = await client.decisions.create({
      model: 'one',
      input: [{ role: 'user', content: [{ type: 'input_text', text: SITUATION }] }],
      questions: [
        {
          type: 'choice',
          name: 'x',
          instructions: 'Go?',
          choices: [{ value: true }, { value: 'true' }, { value: false }],
        },
        { type: 'predicate', instructions: [{ type: 'input_text', text: 'There is danger.' }] },
        { type: 'score', name: 'y', instructions: 'How bad?', levels: [{ label: 'fine' }, { label: 'bad' }] },
      ],
    });
    const [choice, predicate, score] = decision.answers;
    if (choice?.type !== 'choice' || score?.type !== 'score') throw new Error('the answers are out of order');
    expect(choice.name).toBe('x');
    expect(choice.probabilities.map(({ value }) => value)).toEqual([true, 'true', false]);
    expect([true, 'true', false]).toContain(choice.choice);
    expect(predicate).toMatchObject({ type: 'predicate', name: null, probability: expect.any(Number) });
    expect(score.probabilities.map(({ label: level, value }) => [level, value])).toEqual([
      ['fine', 0],
      ['bad', 1],
    ]);
    expect(decision.usage).toMatchObject({ output_tokens: 3, input_tokens_details: { cached_tokens: 0 } });
    expect(decision.usage.total_tokens).toBe(decision.usage.input_tokens + 3);
  });

  test('refuses one question without the others, where the model wants to say something else', async () => {
    const rates = { ...NO_RATES, rambling: 0.5 };
    const questions = Array.from({ length: 20 }, (_, index) => ({
      type: 'choice',
      name: `q${index}`,
      instructions: `What now? ${index}`,
      choices: ACTIONS.map((value) => ({ value })),
    }));
    const { body } = await post(await simulate({ flavour: 'vllm', rates }), 'decisions', decisions({ questions }));
    const types = body.answers.map(({ type }: { type: string }) => type);
    expect(new Set(types)).toEqual(new Set(['choice', 'refusal']));
    expect(body.answers[types.indexOf('refusal')]).toEqual({ type: 'refusal', name: `q${types.indexOf('refusal')}` });
  });

  test.each([
    ['an input that is a number', { input: 7 }],
    ['no questions', { questions: [] }],
    ['one choice', { questions: [{ type: 'choice', instructions: '', choices: [{ value: 'a' }] }] }],
    [
      'a choice twice',
      { questions: [{ type: 'choice', instructions: '', choices: [{ value: 'a' }, { value: 'a' }] }] },
    ],
    [
      'a value that is a number',
      { questions: [{ type: 'choice', instructions: '', choices: [{ value: 1 }, { value: 2 }] }] },
    ],
    ['an unknown type', { questions: [{ type: 'noul', instructions: '' }] }],
    ['a question that is null', { questions: [null] }],
  ])('refuses %s', async (_, more) => {
    const { status, body } = await post(await simulate({ flavour: 'vllm' }), 'decisions', decisions(more));
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { type: 'BadRequestError' } });
  });
});

describe('a label of a chat', () => {
  test.each([{ stream: true }, { stream: false }])('is its first token, with its alternatives: %j', async (more) => {
    const simulator = await simulate({ flavour: 'ollama' });
    const response = await fetch(`${simulator.baseURL}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(label(more)),
    });
    const text = await response.text();
    const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
    const bodies = (more.stream ? events.map((event) => event.slice(6)) : [text]).map((json) => JSON.parse(json));
    const choice = bodies.map(({ choices }) => choices[0]).find(({ logprobs }) => logprobs);
    const [first] = choice.logprobs.content;
    expect((choice.delta ?? choice.message).content).toBe(first.token);
    expect('ABCD').toContain(first.token);
    expect(first.top_logprobs).toHaveLength(10);
    expect(first.top_logprobs[0]).toEqual({ token: first.token, logprob: first.logprob, bytes: first.bytes });
    const labels = first.top_logprobs.filter(({ token }: { token: string }) => 'ABCD'.includes(token));
    expect(sum(labels.map(({ logprob }: { logprob: number }) => Math.exp(logprob)))).toBeGreaterThan(0.85);
    expect(bodies.map(({ choices }) => choices[0]?.finish_reason).findLast(Boolean)).toBe('length');
  });

  test.each<readonly [ServerFlavour, number, number]>([
    ['ollama', 20, 200],
    ['ollama', 21, 400],
    ['vllm', 21, 400],
    ['llamacpp', 600, 200],
    ['llamacpp', -1, 400],
  ])('%s with %i alternatives answers %i', async (flavour, top_logprobs, status) => {
    const { status: got, body } = await post(await simulate({ flavour }), 'chat/completions', label({ top_logprobs }));
    expect(got).toBe(status);
    if (status === 200) expect(body.choices[0].logprobs.content[0].top_logprobs).toHaveLength(top_logprobs);
  });

  test('has nothing told of it by LM Studio, which ignores that it is asked', async () => {
    const { body } = await post(await simulate(), 'chat/completions', label({ top_logprobs: 600 }));
    expect(body.choices[0]).toMatchObject({ logprobs: null, message: { content: expect.stringMatching(/^[ABCD]$/) } });
  });

  test('comes after a thought, unless thoughts are switched off', async () => {
    const simulator = await simulate({ flavour: 'llamacpp', models: [{ id: 'one', thinkTokens: 50 }] });
    const first = async (more: object): Promise<string> =>
      (await post(simulator, 'chat/completions', label(more))).body.choices[0].logprobs.content[0].token;
    expect(await first({})).toBe('<think>');
    expect('ABCD').toContain(await first({ chat_template_kwargs: { enable_thinking: false } }));
  });

  test('says nothing under a schema', async () => {
    const schema = { properties: { choice: { type: 'integer' } } };
    const more = { max_tokens: 20, response_format: { type: 'json_schema', json_schema: { schema } } };
    const { body } = await post(await simulate({ flavour: 'llamacpp' }), 'chat/completions', label(more));
    const [first] = body.choices[0].logprobs.content;
    expect(first.top_logprobs.map(({ logprob }: { logprob: number }) => Math.exp(logprob))).toEqual([
      1,
      ...Array(9).fill(0),
    ]);
  });

  test('is read alike at each asking', async () => {
    const simulator = await simulate({ flavour: 'vllm' });
    const read = async (): Promise<unknown> =>
      (await post(simulator, 'chat/completions', label())).body.choices[0].logprobs;
    expect(await read()).toEqual(await read());
  });
});

describe('a form that a server does not have', () => {
  test.each<readonly [ServerFlavour, string, number]>([
    ['lmstudio', 'systemone', 200],
    ['lmstudio', 'decisions', 200],
    ['ollama', 'systemone', 400],
    ['ollama', 'decisions', 404],
    ['llamacpp', 'systemone', 501],
    ['llamacpp', 'decisions', 404],
  ])('%s answers %s with %i and an error', async (flavour, path, status) => {
    const simulator = await simulate({ flavour });
    const answer = await post(simulator, path, path === 'systemone' ? systemOne() : decisions());
    expect(answer.status).toBe(status);
    expect(answer.body).toHaveProperty('error');
  });

  test('vLLM answers 501 where its model cannot', async () => {
    const simulator = await simulate({ flavour: 'vllm', reads: 'logprobs' });
    expect((await post(simulator, 'systemone', systemOne())).status).toBe(501);
    expect((await post(simulator, 'decisions', decisions())).status).toBe(501);
  });

  test('is told where the server lists its models', async () => {
    const list = async (options: SimulatorOptions, path: string): Promise<string> =>
      (await fetch(new URL(path, (await simulate(options)).baseURL))).text();
    expect(await list({ flavour: 'llamacpp', reads: 'systemone' }, '/v1/models')).toContain('"decisions"');
    expect(await list({ flavour: 'llamacpp' }, '/v1/models')).not.toContain('"decisions"');
    expect(await list({ flavour: 'ollama', reads: 'all' }, '/api/tags')).toContain('"decision"');
  });
});

describe('reads of a request', () => {
  // A state of 400 tokens takes 400 ms to read, a token 10 ms to write.
  const EVEN: SimulatorOptions = {
    flavour: 'vllm',
    speed: 1,
    slots: 2,
    overheadSeconds: 0,
    promptTokensPerSecond: 1_000,
    latencySigma: 0,
    models: [{ id: 'one', tokensPerSecond: 100 }],
  };
  const STATE = `${SITUATION}\nwhat it sees: ${'x'.repeat(1_540)}`;

  /** How long a request takes by the clock of the machine. */
  async function timed(simulator: SimulatorHandle, clock: FakeClock, body: object): Promise<number> {
    const startedAtMs = clock.now();
    const before = simulator.stats().completed;
    const answered = post(simulator, 'systemone', body);
    await eventually(() => simulator.stats().active === 1);
    while (simulator.stats().completed === before) clock.advance(1);
    expect((await answered).status).toBe(200);
    return clock.now() - startedAtMs;
  }

  test('share one slot and one reading of the state, and take a token each', async () => {
    const clock = new FakeClock();
    const simulator = await simulate(EVEN, clock);
    const one = await timed(simulator, clock, systemOne({ state: STATE }));
    expect(one).toBeGreaterThan(400);
    expect(one).toBeLessThan(450);
    const { promptTokens, cachedTokens } = simulator.stats();
    expect(cachedTokens).toBe(0);
    const four = await timed(simulator, clock, systemOne({ state: STATE, questions: questionsOf(4) }));
    const read = simulator.stats();
    const tails = read.promptTokens - promptTokens - read.cachedTokens;
    // The state is in the slot's cache by now: only the questions after the first are read, and four tokens written.
    expect(read.cachedTokens).toBeGreaterThanOrEqual(promptTokens - 1);
    expect(four).toBe(tails + 4 * 10);
    expect(read).toMatchObject({ completed: 2, completionTokens: 5, requests: 2 });
  });

  test('are one piece of work to a queue', async () => {
    const clock = new FakeClock();
    const simulator = await simulate({ ...EVEN, slots: 1 }, clock);
    const first = post(simulator, 'systemone', systemOne({ state: STATE, questions: questionsOf(8) }));
    await eventually(() => simulator.stats().active === 1);
    const second = post(simulator, 'decisions', decisions());
    await eventually(() => simulator.stats().queued === 1);
    clock.runAll();
    expect((await first).status).toBe(200);
    clock.runAll();
    expect((await second).status).toBe(200);
  });

  test.each([
    ['http500', 500],
    ['errorEvent', 200],
  ] as const)('fail as chats do: %s', async (name, status) => {
    const simulator = await simulate({ flavour: 'vllm', rates: { ...NO_RATES, [name]: 1 } });
    const answer = await post(simulator, 'systemone', systemOne());
    expect(answer.status).toBe(status);
    expect(answer.body).toHaveProperty('error');
    expect(simulator.stats()).toMatchObject({ failuresPlayed: 1, active: 0 });
  });

  test.each(['reset', 'cut'] as const)('fail as chats do: %s', async (name) => {
    const simulator = await simulate({ flavour: 'vllm', rates: { ...NO_RATES, [name]: 1 } });
    await expect(post(simulator, 'systemone', systemOne())).rejects.toThrow();
  });

  test('that are left free their slot', async () => {
    const simulator = await simulate({ ...EVEN, speed: 0.01, abortSeconds: 0 });
    const controller = new AbortController();
    const { signal } = controller;
    const body = JSON.stringify(systemOne({ state: STATE }));
    const left = fetch(`${simulator.baseURL}/systemone`, { method: 'POST', body, signal }).catch(() => undefined);
    await eventually(() => simulator.stats().active === 1);
    controller.abort();
    await left;
    await eventually(() => simulator.stats().active === 0);
    expect(simulator.stats()).toMatchObject({ aborted: 1, completed: 0 });
  });
});

describe('the option `reads`', () => {
  const readsOf = (options: SimulatorOptions): readonly string[] => resolveSimulatorOptions(options).reads;

  test('is by default what servers of the flavour do', () => {
    expect(readsOf({})).toEqual([]);
    expect(readsOf({ flavour: 'llamacpp' })).toEqual(['logprobs']);
    expect(readsOf({ flavour: 'ollama' })).toEqual(['logprobs']);
    expect(readsOf({ flavour: 'vllm' })).toEqual(['decisions', 'systemone', 'logprobs']);
  });

  test('is one form, several, all or none', () => {
    expect(readsOf({ reads: 'systemone' })).toEqual(['systemone']);
    expect(readsOf({ reads: ['logprobs', 'decisions'] })).toEqual(['logprobs', 'decisions']);
    expect(readsOf({ reads: 'all' })).toHaveLength(3);
    expect(readsOf({ flavour: 'vllm', reads: 'none' })).toEqual([]);
  });

  test.each([
    [{ reads: 'words' }, 'simulator.reads must be none, all, or some of decisions, systemone, logprobs, got "words"'],
    [{ models: [{ id: 'a', readSkill: 2 }] }, 'simulator.models[0].readSkill must be a number from 0 to 1, got 2'],
  ])('%j is refused', async (options, message) => {
    await expect(startSimulator(options as SimulatorOptions)).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining(message),
    });
  });
});
