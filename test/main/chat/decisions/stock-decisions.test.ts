import { describe, expect, test } from 'vitest';
import type { PassReply } from '../../../../src/main/chat/passed/pass-reply.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import { flush } from '../../../support/drive.ts';
import type { ChatServer } from '../../../support/make-chats.ts';
import { type Exchange, json } from '../../../support/scripted-server.ts';
import { clock, one, open as openPlanner, planner, summary, two, useTwoServers } from '../../../support/two-servers.ts';

/** Chat servers without a call for decisions. */
useTwoServers();

const open = (options: Partial<PlannerOptions> = {}): Promise<void> => openPlanner({ callRetries: 0, ...options });

const CHOICE = { type: 'choice', name: 'next', instructions: 'Which?', choices: [{ value: 'a' }, { value: 'b' }] };

function ask(more: object = {}, options: object = {}): Promise<PassReply> {
  const body = { model: 'm', input: 'A wolf comes.', questions: [CHOICE], ...more };
  return planner.chats.pass('decisions', Buffer.from(JSON.stringify(body)), {
    timeoutMs: 100_000,
    cache: 'off',
    ...options,
  });
}

/** A token with its alternatives, as chat servers tell them. */
const reads =
  (chances: Readonly<Record<string, number>>, more: object = {}) =>
  ({ response }: Exchange): void => {
    const likeliest = Object.entries(chances).sort(([, a], [, b]) => b - a);
    const alternatives = likeliest.map(([token, chance]) => ({ token, logprob: Math.log(chance) }));
    const [first] = alternatives;
    const choice = {
      index: 0,
      message: { role: 'assistant', content: first?.token },
      finish_reason: 'length',
      logprobs: { content: [{ ...first, top_logprobs: alternatives }] },
    };
    const usage = { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } };
    json(response, 200, { id: 'c', model: 'm', choices: [choice], usage, ...more });
  };

// biome-ignore lint/suspicious/noExplicitAny: what is expected of it, the tests say.
function bodyOf(reply: PassReply): any {
  if (reply.kind !== 'whole') throw new Error(reply.kind === 'failed' ? reply.error.message : reply.kind);
  return JSON.parse(reply.bytes.toString());
}

interface SentChat {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

function sent(server: ChatServer): SentChat[] {
  return server.bodies as unknown as SentChat[];
}

describe('what is asked', () => {
  test('one token a question behind the same state, with log probabilities and without a thought', async () => {
    one.chat = reads({ 1: 0.6, 2: 0.3, The: 0.1 });
    await open();
    const predicate = { type: 'predicate', instructions: 'It bites.' };
    const body = bodyOf(
      await ask({
        input: [
          { role: 'developer', content: 'Be brave.' },
          { role: 'user', content: 'A wolf comes.' },
        ],
        questions: [CHOICE, predicate],
      }),
    );
    expect(one.bodies[0]).toMatchObject({
      model: 'm',
      max_tokens: 1,
      temperature: 0,
      logprobs: true,
      top_logprobs: 20,
    });
    const [first, second] = sent(one).map(({ messages }) => messages);
    expect(first?.[0]).toEqual({ role: 'system', content: 'Be brave.' });
    expect(first?.[1]?.content).toBe(
      'A wolf comes.\n\nQUESTION\nWhich?\n\nOPTIONS\n1. a\n2. b\n\nANSWER\nOnly the number of one option, and nothing else.',
    );
    expect(second?.[1]?.content).toContain(
      'A wolf comes.\n\nQUESTION\nIs this true?\nIt bites.\n\nOPTIONS\n1. yes\n2. no\n',
    );
    expect(body.answers[0]).toMatchObject({
      type: 'choice',
      name: 'next',
      choice: 'a',
      confidence: expect.closeTo(0.6),
    });
    expect(body.answers[0].probabilities[0].probability).toBeCloseTo(2 / 3);
    expect(body.answers[1].probability).toBeCloseTo(2 / 3);
    expect(body.usage).toEqual({
      input_tokens: 20,
      input_tokens_details: { cache_write_tokens: 0, cached_tokens: 8 },
      output_tokens: 2,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 22,
    });
  });

  test('pictures and JSON of the input, and calls of tools, are parts of the chat', async () => {
    one.chat = reads({ 1: 0.9, 2: 0.1 });
    await open();
    await ask({
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'See ' },
            { type: 'input_image', image_url: 'data:x', detail: 'low' },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
        { role: 'user', content: [{ type: 'input_json', data: { wolf: 1 } }] },
      ],
      questions: [{ ...CHOICE, instructions: [{ type: 'input_text', text: 'Which?' }] }],
    });
    const [see, call, last] = sent(one)[0]?.messages ?? [];
    expect(see?.content).toEqual([
      { type: 'text', text: 'See ' },
      { type: 'image_url', image_url: { url: 'data:x', detail: 'low' } },
    ]);
    expect(call).toMatchObject({ role: 'user', content: expect.stringContaining('"look"') });
    expect(last?.content).toMatch(/^\{"wolf":1\}\n\nQUESTION\nWhich\?/);
  });

  test('true is not "true"', async () => {
    one.chat = reads({ 2: 0.8, 1: 0.1 });
    await open();
    const choices = [{ value: 'true' }, { value: true }];
    const body = bodyOf(await ask({ questions: [{ ...CHOICE, choices }] }));
    expect(sent(one)[0]?.messages[0]?.content).toContain('1. "true"\n2. true\n');
    expect(body.answers[0].choice).toBe(true);
    expect(body.answers[0].probabilities.map(({ value }: { value: unknown }) => value)).toEqual(['true', true]);
  });

  test('more options than labels are read in groups, and then the best of each', async () => {
    // The second option of each group; and of the groups, the third.
    one.chat = (exchange, nth) => reads(nth < 4 ? { B: 0.75, A: 0.25 } : { 3: 0.8, 1: 0.2 })(exchange);
    await open();
    const choices = Array.from({ length: 100 }, (_, nth) => ({ value: `option-${nth}` }));
    const body = bodyOf(await ask({ questions: [{ ...CHOICE, choices }] }));
    expect(one.chats).toHaveLength(5);
    expect(sent(one)[4]?.messages[0]?.content).toContain('1. option-1\n2. option-26\n3. option-51\n4. option-76\n');
    expect(body.answers[0].choice).toBe('option-51');
    expect(body.answers[0].confidence).toBeCloseTo(0.6);
    const sum = body.answers[0].probabilities.reduce(
      (all: number, each: { probability: number }) => all + each.probability,
      0,
    );
    expect(sum).toBeCloseTo(1);
  });

  test('a model that would say something else declines its question, and no other', async () => {
    one.chat = (exchange, nth) => reads(nth === 0 ? { The: 0.9, 1: 0.1 } : { 1: 0.9, 2: 0.1 })(exchange);
    await open();
    const body = bodyOf(await ask({ questions: [CHOICE, CHOICE] }));
    expect(body.answers.map(({ type }: { type: string }) => type)).toEqual(['refusal', 'choice']);
    expect(body.answers[0]).toEqual({ type: 'refusal', name: 'next' });
  });
});

describe('who is asked', () => {
  test('a server without the call is asked for it again after five minutes only', async () => {
    one.routes = { '/v1/decisions': ({ response }) => json(response, 404, { error: { message: 'no such page' } }) };
    one.chat = reads({ 1: 0.9 });
    await open();
    expect(summary(await ask())).toBe('model m at one');
    expect(summary(await ask())).toBe('model m at one');
    expect(one.passed).toHaveLength(1);
    clock.advance(300_000);
    await ask();
    expect(one.passed).toHaveLength(2);
  });

  test.each([
    [501, { error: { message: 'This model does not support decisions.' } }],
    [405, {}],
    [400, { error: { message: '"m" does not support decisions' } }],
    [200, { error: 'Unexpected endpoint or method. (POST /v1/decisions)' }],
  ])('%i %j says that it has none', async (status, said) => {
    one.routes = { '/v1/decisions': ({ response }) => json(response, status, said) };
    one.chat = reads({ 1: 0.9 });
    await open();
    expect(summary(await ask())).toBe('model m at one');
    expect(one.chats).toHaveLength(1);
  });

  test('a server that has the call answers for itself, also with a refusal', async () => {
    one.routes = { '/v1/decisions': ({ response }) => json(response, 400, { error: { message: 'too long' } }) };
    await open();
    const reply = await ask();
    expect(summary(reply)).toBe('ERR_MODEL_REJECTED 400');
    expect(one.chats).toHaveLength(0);
  });

  test('where one fails while it is read, the next seat is asked all questions', async () => {
    one.chat = (exchange, nth) =>
      nth === 0 ? reads({ 1: 0.9 })(exchange) : json(exchange.response, 500, { error: { message: 'broken' } });
    two.chat = reads({ 2: 0.9 });
    await open();
    const reply = await ask({ questions: [CHOICE, CHOICE] });
    expect(summary(reply)).toBe('model m at two');
    expect(bodyOf(reply).answers.map(({ choice }: { choice: string }) => choice)).toEqual(['b', 'b']);
  });

  test('a fallback that has the call answers what the model asked for cannot', async () => {
    const tellsNone = ({ response }: Exchange): void =>
      json(response, 200, { choices: [{ index: 0, message: { content: '1' }, finish_reason: 'length' }] });
    one.chat = tellsNone;
    two.chat = tellsNone;
    two.routes = {
      '/v1/decisions': ({ response, body }) =>
        JSON.parse(body).model === 'backup'
          ? json(response, 200, { model: 'backup', answers: [] })
          : json(response, 501, { error: { message: 'This model does not support decisions.' } }),
    };
    await open();
    expect(summary(await ask())).toBe('fallback backup at two');
    expect(summary(await ask({}, { fallback: false }))).toBe('ERR_MODEL_REJECTED');
  });

  test('what a chat server refuses of the chat comes back in its words', async () => {
    const error = { message: 'the request exceeds the context', code: 'context_length_exceeded' };
    one.chat = ({ response }) => json(response, 400, { error });
    await open();
    const reply = await ask();
    expect(summary(reply)).toBe('ERR_MODEL_REJECTED 400');
    expect(reply.kind === 'failed' && reply.refusal?.error).toMatchObject(error);
    expect(two.chats).toHaveLength(0);
  });

  test('a model that thinks first cannot be read', async () => {
    one.chat = reads({ '<think>': 0.9, 1: 0.1 });
    two.chat = reads({ '<think>': 0.9, 1: 0.1 });
    await open();
    const reply = await ask();
    expect(summary(reply)).toBe('ERR_MODEL_REJECTED');
    expect(reply.kind === 'failed' && reply.error.message).toContain('thinks before it answers');
  });

  test('all questions together have the time of one call, and a caller who leaves ends them', async () => {
    one.chat = () => {};
    two.chat = () => {};
    await open({ synthesis: { models: [] } });
    const leaving = new AbortController();
    const arrived = one.next();
    const reply = ask({}, { signal: leaving.signal });
    await arrived;
    leaving.abort();
    expect(summary(await reply)).toBe('ERR_CANCELLED');
    const next = two.next();
    const late = ask({}, { timeoutMs: 5_000, fallback: false });
    await Promise.race([next, one.next()]);
    await flush();
    clock.advance(2_500);
    await flush();
    clock.advance(2_500);
    expect(summary(await late)).toMatch(/^ERR_MODEL_TIMEOUT/);
  });
});

describe('a server that has only the other call is asked in that one, all questions at once', () => {
  const SCORE = { type: 'score', name: 'threat', instructions: 'How?', levels: [{ label: 'low' }, { label: 'high' }] };
  const PREDICATE = { type: 'predicate', instructions: 'It bites.' };
  const choices = [{ value: 'true', description: 'as a text' }, { value: true }];

  function tells(answers: object, more: object = {}): void {
    one.routes = {
      '/v1/systemone': ({ response }) =>
        json(response, 200, { model: 'm', answers, usage: { input_tokens: 9 }, ...more }),
    };
  }

  test('Decisions API over System One', async () => {
    tells(
      {
        q1: { type: 'choice', choice: 'true', probabilities: { '"true"': 0.2, true: 0.8 } },
        q2: { type: 'noul', noul: 0.9 },
        q3: { type: 'score', score: 0.7, probabilities: { 0: 0.3, 1: 0.7 } },
        q4: null,
      },
      { diagnostics: { q1: { label_mass: 0.9 } } },
    );
    await open();
    const questions = [{ ...CHOICE, choices }, PREDICATE, SCORE, CHOICE];
    const body = bodyOf(await ask({ questions }));
    expect(JSON.parse(one.passed[0]?.body ?? '')).toEqual({
      model: 'm',
      state: 'A wolf comes.',
      questions: {
        q1: { type: 'choice', instructions: 'Which?', criteria: { '"true"': 'as a text', true: null } },
        q2: { type: 'noul', instructions: 'It bites.' },
        q3: { type: 'score', instructions: 'How?', criteria: ['low', 'high'] },
        q4: { type: 'choice', instructions: 'Which?', criteria: { a: null, b: null } },
      },
    });
    expect(body.answers[0]).toMatchObject({ choice: true, confidence: expect.closeTo(0.72) });
    expect(body.answers[1]).toEqual({ type: 'predicate', name: null, probability: expect.closeTo(0.9) });
    expect(body.answers[2]).toMatchObject({ type: 'score', name: 'threat', score: expect.closeTo(0.7) });
    expect(body.answers[3]).toEqual({ type: 'refusal', name: 'next' });
    expect(body.usage.input_tokens).toBe(9);
    expect(one.chats).toHaveLength(0);
  });

  test('System One over the Decisions API', async () => {
    one.routes = {
      '/v1/decisions': ({ response }) =>
        json(response, 200, {
          model: 'm',
          answers: [
            { type: 'choice', choice: 'a', probabilities: [{ value: 'a', probability: 1 }] },
            { type: 'predicate', probability: 0.25 },
            { type: 'refusal', name: null },
          ],
        }),
    };
    await open();
    const state = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image_url', image_url: { url: 'data:x' } },
        ],
      },
    ];
    const questions = {
      next: { type: 'choice', instructions: 'Which?', criteria: { a: null, b: 'the other' } },
      bites: { type: 'noul', instructions: 'It bites.', criteria: { true: 'it has teeth' } },
      threat: { type: 'score', criteria: ['low', 'high'] },
    };
    const body = bodyOf(
      await planner.chats.pass('systemone', Buffer.from(JSON.stringify({ model: 'm', state, questions })), {
        timeoutMs: 9_000,
      }),
    );
    expect(JSON.parse(one.passed[0]?.body ?? '')).toEqual({
      model: 'm',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'See' },
            { type: 'input_image', image_url: 'data:x' },
          ],
        },
      ],
      questions: [
        { type: 'choice', instructions: 'Which?', choices: [{ value: 'a' }, { value: 'b', description: 'the other' }] },
        { type: 'predicate', instructions: 'It bites.\nyes: it has teeth' },
        {
          type: 'score',
          instructions: '',
          levels: [
            { label: '0', description: 'low' },
            { label: '1', description: 'high' },
          ],
        },
      ],
    });
    expect(body.answers.next).toMatchObject({ choice: 'a', probabilities: { a: 1, b: 0 } });
    expect(body.answers.bites.noul).toBe(0.25);
    expect(body.diagnostics.threat.label_mass).toBe(0);
  });

  test.each<[string, unknown]>([
    ['no answers', undefined],
    ['a sum far from 1', { q1: { probabilities: { a: 0.9, b: 0.9 } } }],
    ['a probability that is none', { q1: { probabilities: { a: 'x', b: 0.9 } } }],
    ['no probabilities', { q1: { choice: 'a' } }],
  ])('%s is no answer, and the next seat is asked', async (_, answers) => {
    tells(answers as object);
    two.chat = reads({ 2: 0.9 });
    await open();
    expect(summary(await ask())).toBe('model m at two');
  });
});
