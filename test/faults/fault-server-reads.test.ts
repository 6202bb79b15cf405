import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/shared/clock.ts';
import { ModelClient } from '../../src/shared/model-client/model-client.ts';
import {
  FAULT_NAMES,
  type FaultServer,
  READ_FAULT_CODES,
  READ_FAULT_NAMES,
  type ReadFaultName,
  startFaultServer,
} from './fault-server.ts';

/** The reads of the fault server: what it says when it is well, and what each fault does to each form. */
const STATE =
  'SITUATION\nlocation: cell 7\n\nACTIONS\nA. attack\nB. block\nC. retreat\n\nANSWER\nOnly the letter of one action.';
const ACTIONS = ['attack', 'block', 'retreat'];
const MESSAGES = [{ role: 'user', content: STATE }];

type Form = 'logprobs' | 'systemone' | 'decisions';
const FORMS: readonly Form[] = ['logprobs', 'systemone', 'decisions'];

interface Seen {
  readonly status: number;
  readonly text: string;
}

async function post(server: FaultServer, path: string, body: object): Promise<Seen> {
  const response = await fetch(`${server.baseURL}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}

function read(server: FaultServer, form: Form): Promise<Seen> {
  const choice = { type: 'choice', instructions: 'What now?' };
  switch (form) {
    case 'logprobs':
      return post(server, 'chat/completions', {
        model: 'm',
        messages: MESSAGES,
        max_tokens: 1,
        logprobs: true,
        top_logprobs: 20,
      });
    case 'systemone': {
      const criteria = Object.fromEntries(ACTIONS.map((action) => [action, null]));
      return post(server, 'systemone', {
        model: 'm',
        state: STATE,
        questions: { a: { ...choice, criteria }, b: { ...choice, criteria } },
      });
    }
    case 'decisions': {
      const question = { ...choice, choices: ACTIONS.map((value) => ({ value })) };
      return post(server, 'decisions', { model: 'm', input: STATE, questions: [question, question] });
    }
    default:
      return form satisfies never;
  }
}

/** The probabilities that an answer tells for its first question, by value; undefined where it tells none. */
function told(form: Form, text: string): Record<string, unknown> | undefined {
  const body = JSON.parse(text);
  if (form === 'systemone') return body.answers.a?.probabilities;
  if (form === 'decisions') {
    const list = body.answers[0].probabilities as { value: string; probability: unknown }[] | undefined;
    return list && Object.fromEntries(list.map(({ value, probability }) => [value, probability]));
  }
  const tops = body.choices[0].logprobs?.content?.[0]?.top_logprobs as { token: string; logprob: number }[] | undefined;
  return tops && Object.fromEntries(tops.map(({ token, logprob }) => [token, Math.exp(logprob)]));
}

const valuesOf = (form: Form): readonly string[] => (form === 'logprobs' ? ['A', 'B', 'C'] : ACTIONS);

function sumOf(form: Form, probabilities: Record<string, unknown> = {}): number {
  return valuesOf(form).reduce((sum, value) => sum + Number(probabilities[value] ?? 0), 0);
}

async function playing(fault: ReadFaultName, form: Form): Promise<Seen> {
  await using server = await startFaultServer({ seed: 1, tokenMs: 0 });
  await server.play(fault);
  return await read(server, form);
}

describe('well', () => {
  test.each(FORMS)(
    'it answers %s with a probability for each action, for the same action in all forms',
    async (form) => {
      await using server = await startFaultServer({ seed: 1 });
      const { status, text } = await read(server, form);
      expect(status).toBe(200);
      const probabilities = told(form, text) ?? {};
      expect(sumOf(form, probabilities)).toBeCloseTo(form === 'logprobs' ? 0.97 : 1);
      const written = (await post(server, 'chat/completions', { model: 'm', messages: MESSAGES })).text;
      const letter = JSON.parse(written).choices[0].message.content.charAt(0) as string;
      const best = form === 'logprobs' ? letter : (ACTIONS['ABC'.indexOf(letter)] as string);
      expect(probabilities[best]).toBeGreaterThan(0.7);
    },
  );

  test('it streams a label with what is told of it', async () => {
    await using server = await startFaultServer({ seed: 1 });
    const body = { model: 'm', messages: MESSAGES, max_tokens: 1, logprobs: true, top_logprobs: 2, stream: true };
    const { text } = await post(server, 'chat/completions', body);
    expect(text).toContain('"top_logprobs":[{"token":');
    expect(text.match(/"token"/g)).toHaveLength(3);
    expect(text).toContain('[DONE]');
  });

  test("OpenAI's client reads decisions from it", async () => {
    await using server = await startFaultServer({ seed: 1 });
    const client = new OpenAI({ baseURL: server.baseURL, apiKey: 'none', maxRetries: 0 });
    const { answers } = await client.decisions.create({
      model: 'm',
      input: STATE,
      questions: [{ type: 'choice', name: 'x', instructions: '', choices: ACTIONS.map((value) => ({ value })) }],
    });
    expect(answers).toMatchObject([{ type: 'choice', name: 'x' }]);
  });
});

describe('a fault of reads', () => {
  test('is none that chats meet, and has a name of its own', async () => {
    expect(READ_FAULT_NAMES.filter((name) => FAULT_NAMES.includes(name as never))).toEqual([]);
    await using server = await startFaultServer({ seed: 1, tokenMs: 0 });
    await server.play('read-501');
    expect((await post(server, 'chat/completions', { model: 'm', messages: MESSAGES })).status).toBe(200);
    expect(server.stats().played).toEqual({});
    expect((await read(server, 'systemone')).status).toBe(501);
    expect(server.stats().played).toEqual({ 'read-501': 1 });
  });

  test.each([
    ['read-501', 501],
    ['read-label-400', 400],
  ] as const)('%s answers %i in all forms', async (fault, status) => {
    for (const form of FORMS) expect((await playing(fault, form)).status).toBe(status);
  });

  test('read-404 has no such path, and chats without log probabilities', async () => {
    expect((await playing('read-404', 'systemone')).status).toBe(404);
    expect((await playing('read-404', 'decisions')).status).toBe(404);
    const chat = await playing('read-404', 'logprobs');
    expect(chat.status).toBe(200);
    expect(told('logprobs', chat.text)).toBeUndefined();
  });

  test.each(FORMS)('read-option-missing leaves out a value of %s', async (form) => {
    const probabilities = told(form, (await playing('read-option-missing', form)).text) ?? {};
    expect(valuesOf(form).filter((value) => value in probabilities)).toHaveLength(2);
  });

  test.each(FORMS)('read-option-unknown is surest of a value that was not offered: %s', async (form) => {
    const probabilities = told(form, (await playing('read-option-unknown', form)).text) ?? {};
    const [best] = Object.entries(probabilities).sort(([, a], [, b]) => Number(b) - Number(a))[0] ?? [];
    expect(valuesOf(form)).not.toContain(best);
  });

  test.each(FORMS)('read-nan tells what is no probability: %s', async (form) => {
    expect((await playing('read-nan', form)).text).toMatch(/NaN|null|1e999|-1e308|"0.5"/);
  });

  test.each(FORMS)('read-sum-off is far from a sum of 1: %s', async (form) => {
    const { text } = await playing('read-sum-off', form);
    expect(Math.abs(Math.log(sumOf(form, told(form, text))))).toBeGreaterThan(1);
  });

  test('read-mass-elsewhere has next to nothing on the labels', async () => {
    const chat = told('logprobs', (await playing('read-mass-elsewhere', 'logprobs')).text) ?? {};
    expect(valuesOf('logprobs').some((label) => label in chat)).toBe(false);
    const { diagnostics } = JSON.parse((await playing('read-mass-elsewhere', 'systemone')).text);
    expect(diagnostics.a.label_mass).toBeLessThan(0.01);
    const decided = told('decisions', (await playing('read-mass-elsewhere', 'decisions')).text) ?? {};
    expect(Object.values(decided)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  test('read-refused declines one question and answers the other', async () => {
    const { answers } = JSON.parse((await playing('read-refused', 'decisions')).text);
    expect(answers).toMatchObject([{ type: 'refusal', name: null }, { type: 'choice' }]);
    const systemOne = JSON.parse((await playing('read-refused', 'systemone')).text).answers;
    expect(systemOne.a?.choice).toBeUndefined();
    expect(systemOne.b.choice).toBeDefined();
    const { message } = JSON.parse((await playing('read-refused', 'logprobs')).text).choices[0];
    expect(message).toMatchObject({ content: null, refusal: expect.any(String) });
  });

  test('read-forgotten answers as many reads as it is told, and then never again', async () => {
    await using server = await startFaultServer({ seed: 1, tokenMs: 0, readsRemembered: 2 });
    await server.play('read-forgotten');
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) statuses.push((await read(server, 'systemone')).status);
    expect(statuses).toEqual([200, 200, 404, 404]);
    await server.heal();
    expect((await read(server, 'systemone')).status).toBe(200);
  });

  test('mixes with faults of chats', async () => {
    await using server = await startFaultServer({ seed: 2, tokenMs: 0 });
    await server.play([
      { fault: 'fast-503', share: 0.3 },
      { fault: 'read-501', share: 0.3 },
    ]);
    const statuses = new Set<number>();
    for (let n = 0; n < 60; n++) statuses.add((await read(server, 'systemone')).status);
    expect(statuses).toEqual(new Set([200, 501, 503]));
  });
});

/** How a read of the planner's own client ends: its code, or OK where it has a probability for each action. */
async function endOf(client: ModelClient, form: Form, timeoutMs = 10_000): Promise<string> {
  const outcome = await client.read({
    form,
    model: 'm',
    system: 'You choose.',
    state: STATE.replace('A. attack\nB. block\nC. retreat', '1. attack\n2. block\n3. retreat'),
    roles: form === 'logprobs' ? ['one'] : ['one', 'two'],
    actions: ACTIONS,
    timeoutMs,
    alternativesMax: 20,
  });
  if (!outcome.ok) return outcome.failure.code;
  for (const { probabilities } of outcome.readings) {
    expect(probabilities).toHaveLength(ACTIONS.length);
    expect(probabilities.every((p) => p >= 0 && p <= 1)).toBe(true);
    expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeLessThan(1 + 1e-9);
  }
  return 'OK';
}

describe("a read of the planner's client that meets", () => {
  test.each(READ_FAULT_NAMES)('%s ends with a code of the fault, and the next one is well', async (fault) => {
    for (const seed of [1, 2, 3, 4]) {
      await using server = await startFaultServer({ seed, tokenMs: 0, readsRemembered: 2 });
      const client = new ModelClient({ name: 'faulty', baseURL: server.baseURL }, systemClock, 8);
      await server.play(fault);
      for (const form of FORMS) {
        for (let n = 0; n < 4; n++) expect(READ_FAULT_CODES[fault]).toContain(await endOf(client, form));
      }
      await server.heal();
      for (const form of FORMS) expect(await endOf(client, form)).toBe('OK');
      await client.close();
    }
  });
});

test.each(FAULT_NAMES)('a fault of chats meets reads as well, and they end: %s', async (fault) => {
  await using server = await startFaultServer({ seed: 3, tokenMs: 0, hugeBytes: 1_000_000 });
  const client = new ModelClient({ name: 'faulty', baseURL: server.baseURL }, systemClock, 8);
  await server.play(fault);
  for (const end of await Promise.all(FORMS.map((form) => endOf(client, form, 250)))) {
    expect(end).toMatch(/^(?:OK|ERR_MODEL_\w+|ERR_METHOD_UNKNOWN)$/);
  }
  await client.close();
});

test('a request that is no read answers 400', async () => {
  await using server = await startFaultServer({ seed: 1 });
  expect((await post(server, 'systemone', { model: 'm', state: STATE, questions: {} })).status).toBe(400);
});
