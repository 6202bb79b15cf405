import OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import type { Face } from '../../../../src/main/faces/face.ts';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { NO_RATES, type SimulatorOptions } from '../../../../src/workers/simulator/options.ts';
import { type SimulatorHandle, startSimulator } from '../../../../src/workers/simulator/start.ts';
import { makeChats } from '../../../support/make-chats.ts';
import { BAD_DECISIONS } from '../../../support/rows/decision-rows.ts';

/** Decisions over the simulated server, as servers of each kind are. */
const log = { debug() {}, info() {}, warn() {}, error() {} };
const closing: (() => Promise<unknown>)[] = [];
let planner: ChatPlanner;
let face: Face;
let client: OpenAI;

async function server(options: Partial<SimulatorOptions>): Promise<SimulatorHandle> {
  const started = await startSimulator({ speed: 2_000, rates: NO_RATES, models: [{ id: 'm' }], slots: 4, ...options });
  closing.push(() => started.close());
  return started;
}

async function open(servers: Record<string, SimulatorHandle>, options: Partial<PlannerOptions> = {}): Promise<void> {
  planner = await makeChats(servers, { callRetries: 0, ...options });
  face = await openHttpFace(planner, { port: 0 }, { clock: systemClock, log, version: '0.0.0' });
  client = new OpenAI({ baseURL: `${face.address}/v1`, apiKey: 'any', maxRetries: 0 });
  closing.unshift(
    () => face.close(),
    () => planner.close(),
  );
}

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const SITUATION = 'SITUATION\nhealth: 12\nenemy: dragon, near\nscene: combat';
const FIGHT: OpenAI.DecisionCreateParams.QuestionParamChoice = {
  type: 'choice',
  name: 'next',
  instructions: 'What to do next?',
  choices: [{ value: 'attack' }, { value: 'retreat', description: 'run away' }, { value: true }],
};
const DANGER: OpenAI.DecisionCreateParams.QuestionParamPredicate = {
  type: 'predicate',
  instructions: 'The player is in danger.',
};
const LEVELS: OpenAI.DecisionCreateParams.QuestionParamScore = {
  type: 'score',
  name: 'threat',
  instructions: 'How great is the threat?',
  levels: [{ label: 'none' }, { label: 'some' }, { label: 'deadly' }],
};
const DECISION = { model: 'm', input: SITUATION, questions: [FIGHT, DANGER, LEVELS] };

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what is expected of it, the tests say.
  readonly body: any;
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
  const response = await fetch(`${face.address}/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const sumOf = (probabilities: readonly { readonly probability: number }[]): number =>
  probabilities.reduce((sum, { probability }) => sum + probability, 0);

describe("the official SDK's decisions.create", () => {
  test.each<[string, Partial<SimulatorOptions>, string]>([
    ['a server that has the call', { flavour: 'vllm' }, 'local m OK'],
    ['a stock chat server', { flavour: 'llamacpp' }, 'local m ERR_METHOD_UNKNOWN'],
    ['a server that has System One', { flavour: 'llamacpp', reads: ['systemone'] }, 'local m ERR_METHOD_UNKNOWN'],
    ['a stock chat server of another make', { flavour: 'ollama' }, 'local m ERR_METHOD_UNKNOWN'],
  ])('over %s', async (_, options, attempts) => {
    await open({ local: await server(options) });
    const { data, response } = await client.decisions.create(DECISION).withResponse();
    expect(response.headers.get('x-conclave-source')).toBe('model');
    expect(response.headers.get('x-conclave-endpoint')).toBe('local');
    expect(response.headers.get('x-conclave-attempts')).toContain(attempts);
    const [next, danger, threat] = data.answers;
    if (next?.type !== 'choice' || danger?.type !== 'predicate' || threat?.type !== 'score') throw new Error('types');
    expect(next.name).toBe('next');
    expect(next.probabilities.map(({ value }) => value)).toEqual(['attack', 'retreat', true]);
    expect(sumOf(next.probabilities)).toBeCloseTo(1, 6);
    const best = next.probabilities.reduce((a, b) => (b.probability > a.probability ? b : a));
    expect(next.choice).toBe(best.value);
    expect(next.confidence).toBeGreaterThan(0);
    expect(danger).toEqual({ type: 'predicate', name: null, probability: expect.any(Number) });
    expect(threat.probabilities.map(({ label, value }) => [label, value])).toEqual([
      ['none', 0],
      ['some', 1],
      ['deadly', 2],
    ]);
    const expected = threat.probabilities.reduce((sum, { value, probability }) => sum + value * probability, 0);
    expect(threat.score).toBeCloseTo(expected, 6);
    expect(data.usage.total_tokens).toBe(data.usage.input_tokens + data.usage.output_tokens);
    expect(data.usage.input_tokens).toBeGreaterThan(0);
    expect(planner.stats().chats).toMatchObject({ requests: 1, inFlight: 0 });
    expect(planner.stats().chats.byOutcome.answered).toBe(1);
  });
});

describe('System One', () => {
  const ASK = {
    model: 'm',
    state: SITUATION,
    questions: {
      next: { type: 'choice', instructions: 'What to do next?', criteria: { attack: null, retreat: 'run away' } },
      danger: { type: 'noul', instructions: 'The player is in danger.' },
      threat: { type: 'score', instructions: 'How great is the threat?', criteria: ['none', 'some', 'deadly'] },
    },
  };

  test.each<[string, Partial<SimulatorOptions>]>([
    ['a server that has the call', { flavour: 'vllm' }],
    ['a stock chat server', { flavour: 'llamacpp' }],
    ['a server that has the Decisions API', { flavour: 'vllm', reads: ['decisions'] }],
  ])('over %s', async (_, options) => {
    await open({ local: await server(options) });
    const { status, body } = await post('/systemone', ASK);
    expect(status).toBe(200);
    const { next, danger, threat } = body.answers;
    expect(next.type).toBe('choice');
    expect(next.probabilities.attack + next.probabilities.retreat).toBeCloseTo(1, 6);
    expect(['attack', 'retreat']).toContain(next.choice);
    expect(danger).toMatchObject({ type: 'noul', noul: expect.any(Number) });
    expect(danger.probabilities.yes).toBeCloseTo(danger.noul, 9);
    expect(threat.legend).toEqual({ 0: 'none', 1: 'some', 2: 'deadly' });
    expect(threat.score).toBeCloseTo(threat.probabilities['1'] + 2 * threat.probabilities['2'], 6);
    expect(body.diagnostics.next.label_mass).toBeGreaterThan(0.5);
    expect(body.usage.input_tokens).toBeGreaterThan(0);
  });
});

test('an equal request is answered from the cache, unless its client wants none of it', async () => {
  await open({ local: await server({ flavour: 'vllm' }) });
  const first = await post('/decisions', DECISION);
  const again = await post('/decisions', DECISION);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('x-conclave-source')).toBe('cache');
  expect(again.headers.get('age')).toBe('0');
  expect(again.headers.get('x-conclave-endpoint')).toBe('local');
  for (const control of ['no-store', 'no-cache']) {
    const { headers } = await post('/decisions', DECISION, { 'cache-control': control });
    expect([headers.get('x-conclave-source'), headers.get('age')]).toEqual(['model', null]);
  }
});

test('clients of System One find the models in their form', async () => {
  await open({ local: await server({ flavour: 'vllm' }) });
  const { data, models } = (await (await fetch(`${face.address}/v1/models`)).json()) as Record<string, unknown>;
  expect(data).toMatchObject([{ id: 'm' }]);
  expect(models).toEqual([{ name: 'm', description: 'at local', release_date: '' }]);
});

describe('requests that no chat server can be asked', () => {
  test.each(BAD_DECISIONS)('$name', async ({ body, code, status, rule }) => {
    await open({ local: await server({ flavour: 'llamacpp' }) });
    const answered = await post('state' in body ? '/systemone' : '/decisions', body);
    expect(answered.status).toBe(status);
    expect(answered.body.error).toMatchObject({ type: 'invalid_request_error', code });
    expect(answered.body.error.message).toContain(rule);
    // Nothing of it is held against the server, nor asked of it.
    expect(planner.stats().endpoints[0]?.breaker?.state ?? 'closed').toBe('closed');
  });

  test('System One without a state', async () => {
    await open({ local: await server({ flavour: 'llamacpp' }) });
    const { status, body } = await post('/systemone', { model: 'm', questions: { q: { type: 'noul' } } });
    expect(status).toBe(400);
    expect(body.error.message).toContain('state must be given');
  });

  test('what is longer than a body may be', async () => {
    await open({ local: await server({ flavour: 'llamacpp' }) }, { chat: { bodyBytesMax: 100_000 } });
    const { status, body } = await post('/systemone', { model: 'm', state: 'x'.repeat(200_000), questions: {} });
    expect(status).toBe(413);
    expect(body.error.code).toBe('ERR_MESSAGE_TOO_LARGE');
  });

  test('no JSON, and no model', async () => {
    await open({ local: await server({ flavour: 'llamacpp' }) });
    expect((await post('/decisions', '{"model":"m"')).status).toBe(400);
    expect((await post('/decisions', { input: 'x' })).body.error.code).toBe('ERR_REQUEST_INVALID');
    const missing = await post('/decisions', { ...DECISION, model: 'gone' });
    expect(missing.status).toBe(404);
    expect(missing.body.error).toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

test('a client that insists on a model that cannot be read is told so, and takes the server from nobody', async () => {
  await open({ local: await server({ flavour: 'lmstudio' }) });
  for (let nth = 0; nth < 8; nth++) {
    const { status, body } = await post('/decisions', DECISION);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', code: 'ERR_MODEL_REJECTED' });
    expect(body.error.message).toContain('its model cannot be read');
  }
  const chat = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
  expect(chat.choices).toHaveLength(1);
});
