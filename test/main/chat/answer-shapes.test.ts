import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import type { ChatReply } from '../../../src/main/chat/chat-reply.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { askForVote, voteCall } from '../../../src/shared/vote-answer.ts';
import { ANSWER_SHAPES, type AnswerShape, SHAPE_WORDS, sendShape } from '../../support/answer-shapes.ts';
import { ASK, ChatServer, makeChats, readFrames } from '../../support/make-chats.ts';

let server: ChatServer;
let planner: ChatPlanner;

beforeEach(async () => {
  server = await ChatServer.start();
  planner = await makeChats({ e: server }, { callRetries: 0 });
});
afterEach(async () => {
  await planner.close();
  await server[Symbol.asyncDispose]();
});

const ACTIONS = ['attack', 'block'];

async function voted(shape: AnswerShape, stream: boolean): Promise<string> {
  server.chat = (exchange) => sendShape(exchange, shape);
  const client = new ModelClient({ name: 'e', baseURL: server.baseURL }, systemClock, 1);
  try {
    const terms = {
      model: 'm',
      maxTokens: 9,
      temperature: 0,
      timeoutMs: 10_000,
      stream,
      answer: 'text',
      thinks: false,
    };
    const call = voteCall(terms as Parameters<typeof voteCall>[0], [], ACTIONS);
    const result = await askForVote(client, call, ACTIONS, new AbortController().signal);
    return result.ok ? result.vote.action : result.error.code;
  } finally {
    await client.close();
  }
}

async function chat(shape: AnswerShape, more: object): Promise<ChatReply> {
  server.chat = (exchange) => sendShape(exchange, shape);
  return planner.chats.chat({ ...ASK, ...more });
}

type Part = { readonly content?: unknown };
type Said = { readonly choices?: readonly { readonly delta?: Part; readonly message?: Part }[] };

/** The words of a part, also where they stand in a list. */
function wordsOf(content: unknown): string {
  if (Array.isArray(content)) return content.map((part) => wordsOf(part?.text)).join('');
  return typeof content === 'string' ? content : '';
}

/** The words of a reply, or the code of its failure. */
async function said(reply: ChatReply): Promise<string> {
  if (reply.kind === 'failed') return reply.error.code;
  if (reply.kind === 'whole') {
    const { choices } = JSON.parse(reply.completion) as Said;
    return wordsOf(choices?.[0]?.message?.content);
  }
  const { events, isDone } = await readFrames(reply.frames);
  const last = events.at(-1) as { error?: { code: string } };
  if (!isDone) return last.error?.code ?? 'cut';
  // Nobody asked for the tokens, and clients look at the first choice of every event.
  for (const event of events as Said[]) expect(event).not.toMatchObject({ choices: [], usage: expect.anything() });
  return (events as Said[]).map(({ choices }) => wordsOf(choices?.[0]?.delta?.content)).join('');
}

describe.each(ANSWER_SHAPES)('$name', (shape) => {
  const expected = shape.failure ?? SHAPE_WORDS;

  test('is right for a plan', async () => {
    expect(await voted(shape, true)).toBe(shape.failure ?? 'block');
    expect(await voted(shape, false)).toBe(shape.failure ?? 'block');
  });

  test('is right for chats, streamed and whole', async () => {
    expect(await said(await chat(shape, { stream: true }))).toBe(expected);
    expect(await said(await chat(shape, {}))).toBe(expected);
  });

  test('is right from the cache, or not kept', async () => {
    const deterministic = { temperature: 0 };
    expect(await said(await chat(shape, deterministic))).toBe(expected);
    for (const stream of [true, false]) {
      const again = await chat(shape, { ...deterministic, stream });
      expect(await said(again)).toBe(expected);
      const isKept = shape.failure === undefined && shape.isNotKept !== true;
      if (again.kind !== 'failed') expect(again.origin.source).toBe(isKept ? 'cache' : 'model');
    }
  });
});
