import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import type { ChatReply } from '../../src/main/chat/chat-reply.ts';
import { ASK, ChatServer, makeChats, readFrames, wordsOf } from '../support/make-chats.ts';
import { FAULT_CODES, type FaultName, type FaultServer, startFaultServer } from './fault-server.ts';

/**
 * Chats against a server that plays every fault, with another model at a server that is well. Whatever happens before a word was
 * told leads there; what happens after ends the stream with an error.
 */
const TIMEOUT_MS = 1_500;
let sick: FaultServer;
let well: ChatServer;
let planner: ChatPlanner;

beforeAll(async () => {
  sick = await startFaultServer({ seed: 7, hugeBytes: 80_000_000 });
});
afterAll(() => sick.close());

beforeEach(async () => {
  well = await ChatServer.start('backup');
  await sick.heal();
  planner = await makeChats(
    { sick, well },
    {
      chat: { timeoutMs: TIMEOUT_MS, stallMs: 300 },
      synthesis: { models: [{ model: 'backup', endpoint: 'well' }] },
    },
  );
});
afterEach(async () => {
  await planner.close();
  await well[Symbol.asyncDispose]();
  await expect.poll(() => sick.stats().openRequests).toBeLessThanOrEqual(1);
});

function ask(stream: boolean): Promise<ChatReply> {
  return planner.chats.chat({ ...ASK, messages: [{ role: 'user', content: '1. attack\n2. block' }], stream });
}

async function expectFallback(reply: ChatReply): Promise<void> {
  if (reply.kind === 'failed') throw reply.error;
  expect(reply.origin).toMatchObject({ source: 'fallback', endpoint: 'well', model: 'backup' });
  expect(reply.origin.attempts[0]).toMatchObject({ endpoint: 'sick', model: 'm' });
  if (reply.kind === 'whole') expect(reply.completion).toContain('hello world');
  else {
    const { events, isDone } = await readFrames(reply.frames);
    expect([wordsOf(events), isDone]).toEqual(['hello world', true]);
  }
}

const BEFORE: readonly FaultName[] = [
  'refused',
  'black-hole',
  'accepted-silent',
  'headers-silent',
  'comments-only',
  'error-body-200',
  'empty-content',
  'invalid-id-object',
  'invalid-id-string',
  'no-models-loaded',
  'html-500',
  'loading-503',
  'rate-limited-429',
  'fast-503',
  'no-choice',
];

describe('before the first word another model answers', () => {
  test.each(BEFORE.flatMap((fault) => [[fault, true] as const, [fault, false] as const]))(
    'to %s (streamed: %s)',
    async (fault, stream) => {
      await sick.play(fault);
      const reply = await ask(stream);
      await expectFallback(reply);
      if (reply.kind !== 'failed') {
        const codes: readonly string[] = [...FAULT_CODES[fault], 'ERR_MODEL_EMPTY'];
        expect(codes).toContain(reply.origin.attempts[0]?.code);
      }
    },
  );

  test('to a connection that is closed at the moment of its reuse, the same model', async () => {
    await sick.play('closed-at-reuse');
    for (let nth = 0; nth < 2; nth++) {
      const reply = await ask(false);
      expect(reply).toMatchObject({ kind: 'whole', origin: { source: 'model', endpoint: 'sick' } });
    }
  });
});

const AFTER: readonly FaultName[] = [
  'first-chunk-silent',
  'cut-without-done',
  'malformed-event',
  'error-event-200',
  'evicted-mid-answer',
  'reset-mid-body',
  'huge-answer',
  'blank-finish-cut',
];

/** It takes a slow machine longer than that to read as much as is too much. */
const OUT_OF_TIME = ['ERR_MODEL_TIMEOUT_STREAM', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN'];

describe('after the first word', () => {
  test.each(AFTER)('a stream ends with an error, never in silence: %s', async (fault) => {
    await sick.play(fault);
    for (let nth = 0; nth < 3; nth++) {
      const reply = await ask(true);
      if (reply.kind !== 'stream') throw new Error(`a ${reply.kind} reply`);
      // In the packet of its first word it may already fail: then nobody was told of it.
      if (reply.origin.source === 'fallback') {
        await expectFallback(reply);
        continue;
      }
      const { events, isDone } = await readFrames(reply.frames);
      expect(isDone).toBe(false);
      const codes: readonly string[] = [...FAULT_CODES[fault], ...(fault === 'huge-answer' ? OUT_OF_TIME : [])];
      expect(codes).toContain((events.at(-1) as { error?: { code: string } }).error?.code);
    }
  });

  test.each(AFTER)('a client that waits for a whole answer gets that of another model: %s', async (fault) => {
    await sick.play(fault);
    await expectFallback(await ask(false));
  });

  test('an answer that does not end in time ends then', async () => {
    await sick.play('slow-drip');
    const startedAt = performance.now();
    const reply = await ask(true);
    if (reply.kind !== 'stream') throw new Error(`a ${reply.kind} reply`);
    const { events, isDone } = await readFrames(reply.frames);
    expect(isDone).toBe(false);
    expect(events.at(-1)).toMatchObject({ error: { code: 'ERR_MODEL_TIMEOUT_STREAM' } });
    expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + 1_000);
  });
});

describe('what is no failure of a chat passes', () => {
  test.each([
    'json-in-reasoning',
    'think-unclosed',
    'other-model',
    'odd-numbers',
    'two-actions',
    'finish-silent',
    'odd-events',
    'words-in-parts',
    'thought-in-channels',
    'stream-options-refused',
  ] as const)('%s', async (fault) => {
    await sick.play(fault);
    const reply = await ask(true);
    if (reply.kind !== 'stream') throw new Error(`a ${reply.kind} reply`);
    await readFrames(reply.frames);
    expect(reply.origin).toMatchObject({ source: 'model', endpoint: 'sick' });
  });
});

test('a server that fails every request, a good one too, is not asked for a while', async () => {
  const isResting = (): boolean => planner.stats().endpoints[0]?.breaker.state !== 'closed';
  const referenceCalls = (): number => planner.stats().endpoints[0]?.referenceCalls ?? 0;
  await sick.play('html-500');
  await expect
    .poll(async () => [(await ask(false)).kind, isResting()], { timeout: 12_000, interval: 120 })
    .toEqual(['whole', true]);
  expect(referenceCalls()).toBeGreaterThanOrEqual(1);
  await sick.heal();
  await expect.poll(async () => (await ask(false)).kind === 'whole' && isResting(), { timeout: 12_000 }).toBe(false);
});

test('a server that fails again and again is not asked for a while, and is again when it is well', async () => {
  await sick.play('fast-503');
  const isResting = (): boolean => planner.stats().endpoints[0]?.breaker.state === 'open';
  await expect
    // Failures of one moment count once.
    .poll(async () => [(await ask(false)).kind, isResting()], { timeout: 12_000, interval: 120 })
    .toEqual(['whole', true]);
  const { requests } = sick.stats();
  const reply = await ask(false);
  await expectFallback(reply);
  if (isResting()) expect(sick.stats().requests).toBe(requests);
  await sick.heal();
  await expect
    .poll(async () => (await ask(false)).kind === 'whole' && planner.stats().endpoints[0]?.breaker.state, {
      timeout: 12_000,
    })
    .toBe('closed');
});
