import { describe, expect, test } from 'vitest';
import type { ChatCallOptions } from '../../../../src/main/chat/chat-call-options.ts';
import type { PassReply } from '../../../../src/main/chat/passed/pass-reply.ts';
import { flush } from '../../../support/drive.ts';
import type { ChatServer } from '../../../support/make-chats.ts';
import { type Exchange, json } from '../../../support/scripted-server.ts';
import { clock, one, open, planner, summary, two, useTwoServers } from '../../../support/two-servers.ts';

/** Decisions in flight that are shared, and their answers from the cache. */
useTwoServers();

const QUESTION = { type: 'choice', instructions: 'Which?', choices: [{ value: 'a' }, { value: 'b' }] };
const CHOSEN = { type: 'choice', choice: 'a', probabilities: [{ value: 'a', probability: 1 }] };

function ask(more: object = {}, options: ChatCallOptions = {}, route: 'decisions' | 'systemone' = 'decisions') {
  const body = { model: 'm', input: 'A wolf comes.', questions: [QUESTION], ...more };
  return planner.chats.pass(route, Buffer.from(JSON.stringify(body)), { timeoutMs: 100_000, ...options });
}

/** Has the call, and answers with these answers and the number of the request. */
function answers(server: ChatServer, ...told: readonly unknown[]): void {
  const answer = ({ response }: Exchange): void =>
    json(response, 200, { id: `d${server.passed.length}`, model: 'm', answers: told.length > 0 ? told : [CHOSEN] });
  server.routes = { '/v1/decisions': answer, '/v1/systemone': answer };
}

/** Has the call, and answers when the test says so. */
function holds(server: ChatServer): Exchange[] {
  const held: Exchange[] = [];
  server.routes = { '/v1/decisions': (exchange) => held.push(exchange) };
  return held;
}

function release(exchange: Exchange | undefined): void {
  json((exchange as Exchange).response, 200, { id: 'd1', model: 'm', answers: [CHOSEN] });
}

async function idOf(reply: PassReply | Promise<PassReply>): Promise<string> {
  const settled = await reply;
  if (settled.kind !== 'whole') return summary(settled);
  const { id = 'no id' } = JSON.parse(settled.bytes.toString()) as { readonly id?: string };
  return `${settled.origin.source} ${id}`;
}

describe('equal requests in flight', () => {
  test('share one call and its answer, whoever asks', async () => {
    await open();
    const held = holds(one);
    const first = ask();
    await expect.poll(() => held.length).toBe(1);
    const others = [ask(), ask({}, { timeoutMs: 90_000 })];
    await flush();
    release(held[0]);
    const replies = await Promise.all([first, ...others]);
    expect(await Promise.all(replies.map(idOf))).toEqual(['model d1', 'model d1', 'model d1']);
    expect(replies.map((reply) => reply.kind === 'whole' && reply.origin.isJoined)).toEqual([false, true, true]);
    expect(planner.stats().chats).toMatchObject({ requests: 3, joined: 2, calls: 1, inFlight: 0 });
    expect(planner.stats().chats.byOutcome.answered).toBe(3);
  });

  test('share the reads of a chat server', async () => {
    await open();
    const held: Exchange[] = [];
    one.chat = (exchange) => held.push(exchange);
    const replies = [ask(), ask()];
    await expect.poll(() => held.length).toBe(1);
    const [first] = held as [Exchange];
    const alternatives = [
      { token: '1', logprob: Math.log(0.9) },
      { token: '2', logprob: Math.log(0.1) },
    ];
    const logprobs = { content: [{ ...alternatives[0], top_logprobs: alternatives }] };
    json(first.response, 200, { id: 'c', choices: [{ index: 0, message: { content: '1' }, logprobs }] });
    expect(await Promise.all(replies.map(idOf))).toEqual(['model no id', 'model no id']);
    expect(one.chats).toHaveLength(1);
  });

  test.each<[string, object, ChatCallOptions]>([
    ['another question', { questions: [{ ...QUESTION, instructions: 'Who?' }] }, {}],
    ['another order of options', { questions: [{ ...QUESTION, choices: QUESTION.choices.toReversed() }] }, {}],
    ['a new answer wanted', {}, { cache: 'renew' }],
    ['an answer of its own wanted', {}, { cache: 'off' }],
    ['no other model wanted', {}, { fallback: false }],
    ['much more time', {}, { timeoutMs: 1_000_000 }],
  ])('are not equal: %s', async (_, more, options) => {
    await open();
    const held = holds(one);
    two.models = ['backup'];
    await planner.chats.models();
    const replies = [ask(), ask(more, options)];
    await expect.poll(() => held.length + two.passed.length + two.chats.length).toBeGreaterThan(1);
    for (const each of held) release(each);
    await Promise.all(replies);
    expect(planner.stats().chats.joined).toBe(0);
  });

  test('lose nothing when one of them leaves or is out of time, and the call ends with the last', async () => {
    await open({ callRetries: 0 });
    const held = holds(one);
    const leaving = [new AbortController(), new AbortController()] as const;
    const first = ask({}, { signal: leaving[0].signal });
    await expect.poll(() => held.length).toBe(1);
    const short = ask({}, { timeoutMs: 1_000 });
    const last = ask({}, { signal: leaving[1].signal });
    await flush();
    leaving[0].abort();
    expect(await idOf(first)).toBe('ERR_CANCELLED');
    clock.advance(1_000);
    expect(await idOf(short)).toBe('ERR_MODEL_TIMEOUT_STREAM');
    expect(planner.stats().chats.inFlight).toBe(1);
    leaving[1].abort();
    expect(await idOf(last)).toBe('ERR_CANCELLED');
    await held[0]?.closed;
  });

  test('all fail with it, and the next one asks again', async () => {
    await open();
    one.routes = { '/v1/decisions': ({ response }) => json(response, 400, { error: { message: 'too long' } }) };
    expect(await Promise.all([ask(), ask()].map(idOf))).toEqual(['ERR_MODEL_REJECTED 400', 'ERR_MODEL_REJECTED 400']);
    expect(one.passed).toHaveLength(1);
    answers(one);
    expect(await idOf(ask())).toBe('model d2');
  });
});

describe('an exact answer', () => {
  test('is given again, byte for byte and with its age, whoever asks and by whatever name of the model', async () => {
    one.models = ['m:2'];
    two.models = [];
    await open({ synthesis: { models: [] } });
    answers(one);
    const first = await ask({ safety_identifier: 'lydia' });
    clock.advance(4_000);
    const again = await ask({ safety_identifier: 'guard', model: 'm:2' });
    expect(await idOf(again)).toBe('cache d1');
    if (first.kind !== 'whole' || again.kind !== 'whole') throw new Error('whole');
    expect(again.bytes.equals(first.bytes)).toBe(true);
    expect(again.type).toBe(first.type);
    expect(again.origin).toMatchObject({ source: 'cache', endpoint: 'one', model: 'm:2', ageMs: 4_000, attempts: [] });
    expect(planner.stats().chats).toMatchObject({ cached: 1, calls: 1, cache: { entries: 1, hits: 1 } });
  });

  test('is of its own protocol, and of the order of its options', async () => {
    await open();
    answers(one);
    expect(await idOf(ask())).toBe('model d1');
    expect(await idOf(ask({}, {}, 'systemone'))).toBe('model d2');
    const questions = [{ ...QUESTION, choices: QUESTION.choices.toReversed() }];
    expect(await idOf(ask({ questions }))).toBe('model d3');
    expect(await idOf(ask())).toBe('cache d1');
  });

  test('is renewed, left alone, or dropped as its client wants, and expires', async () => {
    await open({ chat: { cache: { ttlMs: 60_000 } } });
    answers(one);
    await ask();
    expect(await idOf(ask({}, { cache: 'off' }))).toBe('model d2');
    expect(await idOf(ask())).toBe('cache d1');
    expect(await idOf(ask({}, { cache: 'renew' }))).toBe('model d3');
    expect(await idOf(ask())).toBe('cache d3');
    clock.advance(60_000);
    expect(await idOf(ask())).toBe('model d4');
    planner.clearCache();
    expect(await idOf(ask())).toBe('model d5');
  });

  test.each<[string, readonly unknown[]]>([
    ['a question that was refused', [CHOSEN, { type: 'refusal', name: null }]],
    ['nothing for a question', [CHOSEN, null]],
    ['fewer answers than questions', [CHOSEN]],
  ])('is not kept with %s', async (_, told) => {
    await open();
    answers(one, ...told);
    for (const id of ['d1', 'd2']) expect(await idOf(ask({ questions: [QUESTION, QUESTION] }))).toBe(`model ${id}`);
    expect(planner.stats().chats.cache).toMatchObject({ entries: 0, notKept: 2 });
  });

  test('of another model is not given for the one that was asked', async () => {
    one.models = [];
    await open({ callRetries: 0 });
    two.routes = {
      '/v1/decisions': (exchange) =>
        exchange.body.includes('"backup"') ? release(exchange) : json(exchange.response, 500, {}),
    };
    expect(await idOf(ask())).toBe('fallback d1');
    expect(await idOf(ask({ model: 'backup' }))).toBe('cache d1');
    expect(await idOf(ask())).toBe('fallback d1');
  });

  test('is not kept where the cache is off, nor of a request over 1 MiB', async () => {
    await open();
    answers(one);
    for (const id of ['d1', 'd2']) expect(await idOf(ask({ input: 'x'.repeat(2 ** 20) }))).toBe(`model ${id}`);
    await planner.close();
    await open({ chat: { cache: false } });
    for (const id of ['d3', 'd4']) expect(await idOf(ask())).toBe(`model ${id}`);
  });
});
