import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatCallOptions } from '../../../src/main/chat/chat-call-options.ts';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import type { ChatReply } from '../../../src/main/chat/chat-reply.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import { ASK, ChatServer, makeChats, readFrames, sayHello, wordsOf } from '../../support/make-chats.ts';
import { type Exchange, events, FINISH, json, piece, streamHead } from '../../support/scripted-server.ts';

let one: ChatServer;
let two: ChatServer;
let planner: ChatPlanner;
const STEADY = { ...ASK, temperature: 0 };

beforeEach(async () => {
  one = await ChatServer.start('m', 'n');
  two = await ChatServer.start('backup');
});
afterEach(async () => {
  await planner.close();
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

async function open(options: Partial<PlannerOptions> = {}, clock: Clock = systemClock): Promise<void> {
  planner = await makeChats(
    { one, two },
    { synthesis: { models: [{ model: 'backup', endpoint: 'two' }] }, ...options },
    clock,
  );
}

function chat(body: unknown, options?: ChatCallOptions): Promise<ChatReply> {
  return planner.chats.chat(body, options);
}

/** Its words, and where they are from; or its code. */
async function told(reply: ChatReply | Promise<ChatReply>): Promise<string> {
  const settled = await reply;
  switch (settled.kind) {
    case 'failed':
      return settled.error.code;
    case 'whole': {
      const { choices } = JSON.parse(settled.completion) as { choices: { message: { content: string } }[] };
      return `${settled.origin.source} ${settled.origin.model}: ${choices[0]?.message.content}`;
    }
    case 'stream': {
      const { events: all, isDone } = await readFrames(settled.frames);
      const error = all.map((event) => (event as { error?: { code: string } }).error?.code).find(Boolean);
      return `${settled.origin.source} ${settled.origin.model}: ${wordsOf(all)}${isDone ? '' : ` ${error}`}`;
    }
    default:
      return settled satisfies never;
  }
}

/** Answers with what the test gives, when it gives it. */
function held(server: ChatServer): Exchange[] {
  server.chat = (exchange) => {
    streamHead(exchange.response);
  };
  return server.chats;
}

async function arrivals(server: ChatServer, count: number): Promise<void> {
  await expect.poll(() => server.chats.length).toBeGreaterThanOrEqual(count);
}

function finish({ response }: Exchange, ...all: unknown[]): void {
  response.end(events(...all, FINISH, '[DONE]'));
}

describe('a body goes on as it is', () => {
  test('with everything that its client sends, vendors members included', async () => {
    await open();
    const body = {
      ...ASK,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }],
      stream: true,
      stream_options: { include_obfuscation: false },
      max_completion_tokens: 5,
      id_slot: 3,
      chat_template_kwargs: { enable_thinking: false },
      xtc_probability: 0.5,
    };
    expect(await told(chat(body))).toBe('model m: hello world');
    expect(one.bodies[0]).toEqual({ ...body, stream_options: { include_obfuscation: false, include_usage: true } });
  });

  test('a sampler of its server is no reason to ask for it in one piece, where no abort ends its work', async () => {
    await open();
    await told(chat({ ...ASK, ignore_eos: false, mirostat: 2, dry_multiplier: 0.8, guided_json: {}, min_tokens: 3 }));
    expect(one.bodies[0]).toMatchObject({ stream: true, ignore_eos: false, guided_json: {} });
  });

  test('and for a whole answer of what events cannot tell, as it is altogether', async () => {
    one.chat = ({ response }) =>
      json(response, 200, {
        object: 'chat.completion',
        model: 'm',
        choices: [
          { index: 0, message: { role: 'assistant', content: 'hi', audio: { id: 'a' } }, finish_reason: 'stop' },
        ],
      });
    await open();
    const body = { ...ASK, modalities: ['text', 'audio'], audio: { voice: 'x' } };
    const reply = await chat(body);
    expect(one.bodies[0]).toEqual(body);
    expect(reply.kind === 'whole' && JSON.parse(reply.completion)).toMatchObject({
      choices: [{ message: { content: 'hi', audio: { id: 'a' } } }],
    });
  });

  test('a server that does not stream is told as a stream all the same', async () => {
    one.chat = ({ response }) =>
      json(response, 200, {
        id: 'w',
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
      });
    await open();
    expect(await told(chat({ ...ASK, stream: true }))).toBe('model m: whole');
    expect(await told(chat(ASK))).toBe('model m: whole');
  });

  test('another model has its own name in the body', async () => {
    one.chat = ({ response }) => response.writeHead(500).end();
    await open();
    expect(await told(chat(ASK))).toBe('fallback backup: hello world');
    expect(two.bodies[0]?.model).toBe('backup');
  });
});

describe('a text that is not Unicode', () => {
  test('is mended on its way, in a copy; the rest of the body goes as it is', async () => {
    await open();
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'a \ud800 b' }] }];
    const body = { ...ASK, messages, user: 'x😀' };
    expect(await told(chat(body))).toBe('model m: hello world');
    expect(one.bodies[0]).toMatchObject({ messages: [{ content: [{ text: 'a \ufffd b' }] }], user: 'x😀' });
    expect(messages[0]?.content[0]?.text).toBe('a \ud800 b');
  });
});

describe('a picture', () => {
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  const body = { ...ASK, messages: [{ role: 'user', content: [picture] }] };
  const see = (server: ChatServer, vision: boolean): void => {
    server.pages = { '/props': { total_slots: 2, modalities: { vision } } };
  };
  const features = { constrainedAnswers: false };

  test('goes to no model that takes none: to a fallback that does', async () => {
    see(one, false);
    see(two, true);
    await open({ features });
    expect(await told(chat(body))).toBe('fallback backup: hello world');
    expect(one.chats).toHaveLength(0);
    expect(await told(chat(ASK))).toBe('model m: hello world');
  });

  test('is refused in words where no model takes any, and nobody is asked', async () => {
    see(one, false);
    see(two, false);
    await open({ features });
    const reply = await chat(body);
    expect(reply).toMatchObject({ kind: 'failed', error: { code: 'ERR_MODEL_REJECTED' } });
    expect(one.chats.length + two.chats.length).toBe(0);
  });

  test.each([true, undefined])('goes to a model that takes some, or does not say: %s', async (vision) => {
    if (vision !== undefined) see(one, vision);
    await open({ features });
    expect(await told(chat(body))).toBe('model m: hello world');
  });
});

describe('where it is asked', () => {
  test('the alias stands for the ladder', async () => {
    await open();
    expect(await told(chat({ ...ASK, model: 'conclave' }))).toBe('model backup: hello world');
  });

  test('the same model elsewhere comes before another one', async () => {
    two.models = ['m', 'backup'];
    one.chat = ({ response }) => response.writeHead(500).end();
    await open();
    const reply = await chat(ASK);
    expect(reply).toMatchObject({ kind: 'whole', origin: { source: 'model', endpoint: 'two', model: 'm' } });
    expect(reply.kind === 'whole' && reply.origin.attempts.map(({ endpoint, code }) => `${endpoint} ${code}`)).toEqual([
      'one ERR_MODEL_STATUS',
      'two OK',
    ]);
  });

  test('no other model where that is not wanted', async () => {
    one.chat = ({ response }) => response.writeHead(500).end();
    await open();
    expect(await told(chat(ASK, { fallback: false }))).toBe('ERR_MODEL_STATUS');
    expect(two.chats).toEqual([]);
  });

  test('a name is looked for in little time, and no longer one than there may be', async () => {
    await open();
    const longest = `${':a'.repeat(511)}!!`;
    expect(await told(chat({ ...ASK, model: longest }))).toBe('ERR_MODEL_MISSING');
    const reply = await chat({ ...ASK, model: `${longest}!` });
    if (reply.kind !== 'failed') throw new Error(reply.kind);
    expect(reply.error.message).toBe('model must be at most 1024 characters, got 1025');
  });

  test('a model that is loaded later is found', async () => {
    await open();
    one.models = ['m', 'later'];
    expect(await told(chat({ ...ASK, model: 'later' }))).toBe('ERR_MODEL_MISSING');
    expect(planner.stats().chats.byOutcome.invalid).toBe(1);
  });

  test('a failure in the packet of the first word leads to another place, since nobody was told of it', async () => {
    one.chat = ({ response }) => {
      streamHead(response);
      response.end(events(piece('hello'), { error: { message: 'gone' } }));
    };
    await open();
    expect(await told(chat({ ...ASK, stream: true }))).toBe('fallback backup: hello world');
  });

  test('a refusal of the request is not taken elsewhere, one of the key is', async () => {
    one.chat = ({ response }, nth) => json(response, nth === 0 ? 400 : 401, { error: { message: 'no', code: 'bad' } });
    await open();
    expect(await chat(ASK)).toMatchObject({ kind: 'failed', refusal: { status: 400, error: { code: 'bad' } } });
    expect(await told(chat(ASK))).toBe('fallback backup: hello world');
  });

  test('an answer without a word is given if nobody has a better one', async () => {
    const empty = ({ response }: Exchange): void => {
      streamHead(response);
      response.end(events(piece(' '), FINISH, '[DONE]'));
    };
    one.chat = empty;
    await open();
    expect(await told(chat(ASK))).toBe('fallback backup: hello world');
    two.chat = empty;
    expect(await told(chat(ASK))).toBe('model m:  ');
    expect(await told(chat({ ...ASK, stream: true }))).toBe('model m:  ');
  });

  test('one that was cut before its first word is as it was asked for', async () => {
    one.chat = ({ response }) => {
      streamHead(response);
      response.end(events({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }] }, '[DONE]'));
    };
    await open();
    expect(await told(chat({ ...ASK, stream: true, max_tokens: 1 }))).toBe('model m: ');
    expect(two.chats).toEqual([]);
  });
});

describe('equal requests in flight', () => {
  test('share one call, and one that comes late gets what came so far', async () => {
    await open();
    const exchanges = held(one);
    const whole = told(chat(STEADY));
    await arrivals(one, 1);
    (exchanges[0] as Exchange).response.write(events(piece('one ')));
    const streamed = chat({ ...STEADY, stream: true });
    const reply = await streamed;
    expect(reply.kind === 'stream' && reply.origin.isJoined).toBe(true);
    finish(exchanges[0] as Exchange, piece('two'));
    expect([await whole, await told(reply)]).toEqual(['model m: one two', 'model m: one two']);
    expect(one.chats).toHaveLength(1);
    expect(planner.stats().chats).toMatchObject({ requests: 2, joined: 1, inFlight: 0, calls: 1 });
  });

  test('are separate where each is to have an answer of its own', async () => {
    await open();
    await Promise.all([chat(ASK), chat(ASK), chat(STEADY, { cache: 'off' }), chat(STEADY, { cache: 'off' })]);
    expect(one.chats).toHaveLength(4);
  });

  test('lose nothing when one of them goes, and the call is closed with the last', async () => {
    await open();
    const exchanges = held(one);
    const first = new AbortController();
    const second = new AbortController();
    const gone = told(chat(STEADY, { signal: first.signal }));
    const stays = chat({ ...STEADY, stream: true }, { signal: second.signal });
    await arrivals(one, 1);
    (exchanges[0] as Exchange).response.write(events(piece('one')));
    const reply = await stays;
    first.abort();
    expect(await gone).toBe('ERR_CANCELLED');
    expect((exchanges[0] as Exchange).socket.destroyed).toBe(false);
    second.abort();
    await (exchanges[0] as Exchange).closed;
    expect(reply.kind === 'stream' && (await readFrames(reply.frames)).isDone).toBe(false);
    expect(planner.stats().chats).toMatchObject({ inFlight: 0, byOutcome: { cancelled: 2 } });
  });

  test('one that has gone before the first word has not been told it: the others get an answer from elsewhere', async () => {
    await open();
    const calls = held(one);
    const client = new AbortController();
    const arrived = one.next();
    const gone = chat({ ...STEADY, stream: true }, { signal: client.signal });
    await arrived;
    const whole = chat(STEADY);
    await expect.poll(() => planner.stats().chats.joined).toBe(1);
    client.abort();
    expect(await told(gone)).toBe('ERR_CANCELLED');
    const { response, socket } = calls[0] as Exchange;
    response.write(events(piece('half')));
    // What comes after it has been read after it.
    one.chat = ({ response: other }) => sayHello(other);
    expect(await told(chat({ ...ASK, model: 'n' }))).toBe('model n: hello world');
    socket.destroy();
    expect(await told(whole)).toBe('fallback backup: hello world');
  });

  test('one that wants no other model does not join the alias, which takes any of the ladder', async () => {
    await open({
      synthesis: {
        models: [
          { model: 'm', endpoint: 'one' },
          { model: 'backup', endpoint: 'two' },
        ],
      },
      chat: { fallback: false },
    });
    one.chat = () => {};
    const calls = one.chats;
    const alias = chat({ ...STEADY, model: 'conclave' });
    const alone = chat(STEADY);
    await expect.poll(() => calls.length).toBe(2);
    for (const { response } of calls) json(response, 500, {});
    expect(await told(alias)).toBe('fallback backup: hello world');
    expect(await told(alone)).toBe('ERR_MODEL_STATUS');
  });

  test('one that stops reading leaves as well', async () => {
    await open();
    const exchanges = held(one);
    const asked = chat({ ...ASK, stream: true });
    await arrivals(one, 1);
    (exchanges[0] as Exchange).response.write(events(piece('one')));
    const reply = await asked;
    if (reply.kind !== 'stream') throw new Error(reply.kind);
    for await (const _ of reply.frames) break;
    await (exchanges[0] as Exchange).closed;
    await expect.poll(() => planner.stats().chats.inFlight).toBe(0);
  });

  test('a failure reaches all of them, and is not remembered', async () => {
    one.chat = ({ response }) => response.writeHead(500).end();
    await open({ synthesis: { models: [] } });
    expect(await Promise.all([told(chat(STEADY)), told(chat(STEADY))])).toEqual([
      'ERR_MODEL_STATUS',
      'ERR_MODEL_STATUS',
    ]);
    expect(one.chats).toHaveLength(1);
    one.chat = ({ response }) => sayHello(response);
    expect(await told(chat(STEADY))).toBe('model m: hello world');
  });
});

describe('an exact answer', () => {
  test('is given again as it was, whole and streamed, by whatever order of members', async () => {
    await open();
    const first = await chat({ ...STEADY, stream: true });
    expect(await told(first)).toBe('model m: hello world');
    const { model, messages, temperature } = STEADY;
    expect(await told(chat({ temperature, messages, model }))).toBe('cache m: hello world');
    const again = await chat({ ...STEADY, stream: true, stream_options: { include_usage: true } });
    if (again.kind !== 'stream') throw new Error(again.kind);
    const { events: all } = await readFrames(again.frames);
    expect(all.at(-1)).toMatchObject({ usage: { prompt_tokens: 7, completion_tokens: 2 } });
    expect(one.chats).toHaveLength(1);
    expect(planner.stats().chats).toMatchObject({ cached: 2, cache: { entries: 1, hits: 2 } });
  });

  test.each([
    ['another message', { messages: [{ role: 'user', content: 'ho' }] }],
    ['another model', { model: 'n' }],
    ['a tool', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['a temperature', { temperature: 0.1, seed: 1 }],
  ])('is not one to %s', async (_, more) => {
    await open();
    await chat(STEADY);
    expect((await told(chat({ ...STEADY, ...more }))).startsWith('model')).toBe(true);
  });

  test('is not kept where it was cut, empty, failed, or did not come whole', async () => {
    await open({ synthesis: { models: [] } });
    const endings: ((exchange: Exchange) => void)[] = [
      ({ response }) =>
        response.end(events(piece('x'), { choices: [{ index: 0, delta: {}, finish_reason: 'length' }] }, '[DONE]')),
      ({ response }) => response.end(events(FINISH, '[DONE]')),
      ({ response }) => response.end(events(piece('x'), { error: { message: 'no' } })),
      ({ response }) => response.end(events(piece('x'))),
      ({ response }) => response.end(events(piece('x'), '[DONE]')),
    ];
    for (const ending of endings) {
      one.chat = (exchange) => {
        streamHead(exchange.response);
        ending(exchange);
      };
      await told(chat(STEADY));
      await told(chat({ ...STEADY, stream: true }));
    }
    expect(one.chats).toHaveLength(2 * endings.length);
    expect(planner.stats().chats.cache).toMatchObject({ entries: 0 });
  });

  test('of another model is not given for the one that was asked, when that is back', async () => {
    one.chat = ({ response }) => response.writeHead(500).end();
    await open();
    expect(await told(chat(STEADY))).toBe('fallback backup: hello world');
    one.chat = ({ response }) => sayHello(response);
    expect(await told(chat(STEADY))).toBe('model m: hello world');
    expect(await told(chat({ ...STEADY, model: 'backup' }))).toBe('cache backup: hello world');
  });

  test('is kept of all requests where that is configured, and of none where it is off', async () => {
    await open({ chat: { cache: { when: 'all' } } });
    expect([await told(chat(ASK)), await told(chat(ASK))]).toEqual(['model m: hello world', 'cache m: hello world']);
    planner.clearCache();
    expect(await told(chat(ASK))).toBe('model m: hello world');
    await planner.close();
    await open({ chat: { cache: false } });
    expect([await told(chat(STEADY)), await told(chat(STEADY))]).toEqual([
      'model m: hello world',
      'model m: hello world',
    ]);
    expect(planner.stats().chats.cache).toBe(false);
  });

  test('is renewed by who wants a new one', async () => {
    await open();
    await chat(STEADY);
    one.chat = ({ response }) => {
      streamHead(response);
      response.end(events(piece('new'), FINISH, '[DONE]'));
    };
    expect(await told(chat(STEADY, { cache: 'off' }))).toBe('model m: new');
    expect(await told(chat(STEADY))).toBe('cache m: hello world');
    expect(await told(chat(STEADY, { cache: 'renew' }))).toBe('model m: new');
    expect(await told(chat(STEADY))).toBe('cache m: new');
  });
});

describe('limits', () => {
  test('one chat more than may be in flight is refused, and an answer from memory is not', async () => {
    await open({ chat: { maxInFlight: 1 } });
    await chat(STEADY);
    const exchanges = held(one);
    const first = told(chat(ASK));
    await arrivals(one, 2);
    expect(await told(chat(ASK))).toBe('ERR_PLANNER_OVERLOADED');
    expect(await told(chat(STEADY))).toBe('cache m: hello world');
    finish(exchanges[1] as Exchange, piece('x'));
    expect(await first).toBe('model m: x');
    expect(planner.stats().chats.byOutcome).toMatchObject({ answered: 3, refused: 1 });
  });

  test('chats leave a slot free where plans use the endpoint', async () => {
    const options = (experts: PlannerOptions['experts']) => ({
      endpoints: { one: { baseURL: one.baseURL, slots: 3 } },
      synthesis: { models: [] },
      experts,
    });
    await open(options([{ role: 'one', model: 'm' }]));
    const exchanges = held(one);
    const asked = [1, 2, 3, 4].map(() => told(chat(ASK)));
    await arrivals(one, 2);
    const busy = (): number | undefined => planner.stats().endpoints[0]?.busy;
    await new Promise((resolve) => setImmediate(resolve));
    expect([busy(), one.chats.length]).toEqual([2, 2]);
    for (let nth = 0; nth < 4; nth++) {
      await arrivals(one, Math.max(2, nth + 1));
      finish(exchanges[nth] as Exchange, piece('x'));
    }
    await Promise.all(asked);
    await planner.close();
    await open(options([]));
    const more = [1, 2, 3].map(() => told(chat(ASK)));
    await arrivals(one, 7);
    expect(busy()).toBe(3);
    for (const exchange of one.chats.slice(4)) finish(exchange, piece('x'));
    await Promise.all(more);
    expect(busy()).toBe(0);
  });

  test('a chat of three answers takes three slots, and gives them all back', async () => {
    await open({ endpoints: { one: { baseURL: one.baseURL, slots: 4 } }, synthesis: { models: [] } });
    const exchanges = held(one);
    const several = told(chat({ ...ASK, n: 3, stream: true }));
    await arrivals(one, 1);
    const busy = (): number | undefined => planner.stats().endpoints[0]?.busy;
    expect(busy()).toBe(3);
    const others = [1, 2].map(() => told(chat(ASK)));
    await arrivals(one, 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect([busy(), one.chats.length]).toEqual([4, 2]);
    finish(exchanges[0] as Exchange, piece('x'));
    expect(await several).toContain('x');
    await arrivals(one, 3);
    for (const exchange of exchanges.slice(1)) finish(exchange, piece('y'));
    await Promise.all(others);
    expect(busy()).toBe(0);
  });

  test('two chats of more answers than slots are left do not wait for one another for ever', async () => {
    await open({ endpoints: { one: { baseURL: one.baseURL, slots: 4 } }, synthesis: { models: [] } });
    const exchanges = held(one);
    const asked = [3, 3, 9].map((n) => told(chat({ ...ASK, n, stream: true })));
    for (let nth = 0; nth < 3; nth++) {
      await arrivals(one, nth + 1);
      expect(planner.stats().endpoints[0]?.busy).toBe([3, 3, 4][nth]);
      finish(exchanges[nth] as Exchange, piece('x'));
    }
    for (const words of await Promise.all(asked)) expect(words).toContain('x');
    expect(planner.stats().endpoints[0]?.busy).toBe(0);
  });

  test('an aborted chat whose slot is held leaves none to the next one but that of plans', async () => {
    await open({
      endpoints: { one: { baseURL: one.baseURL, slots: 2 } },
      synthesis: { models: [] },
      experts: [{ role: 'one', model: 'm' }],
    });
    one.chat = () => {};
    const client = new AbortController();
    const first = chat(ASK, { signal: client.signal });
    await arrivals(one, 1);
    const second = chat(ASK, { timeoutMs: 100_000 });
    client.abort();
    expect(await told(first)).toBe('ERR_CANCELLED');
    await new Promise((resolve) => setImmediate(resolve));
    expect(planner.stats().endpoints[0]).toMatchObject({ slots: 2, busy: 1, held: 1 });
    await planner.close();
    expect(await told(second)).toBe('ERR_PLANNER_CLOSED');
  });

  test('chats that wait for a slot are served by their deadline', async () => {
    await open({ endpoints: { one: { baseURL: one.baseURL, slots: 1 } }, synthesis: { models: [] } });
    const exchanges = held(one);
    const asked = [chat(ASK)];
    await arrivals(one, 1);
    for (const [content, timeoutMs] of [
      ['late', 90_000],
      ['soon', 30_000],
    ] as const) {
      asked.push(chat({ ...ASK, messages: [{ role: 'user', content }] }, { timeoutMs }));
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (let nth = 0; nth < 3; nth++) {
      await arrivals(one, nth + 1);
      finish(exchanges[nth] as Exchange, piece('x'));
    }
    await Promise.all(asked);
    const contents = one.bodies.map(({ messages }) => (messages as { content: string }[])[0]?.content);
    expect(contents).toEqual(['hi', 'soon', 'late']);
  });

  test.each([[0], [-1], [Number.NaN], [1e12], ['5' as unknown as number]])(
    'a timeout of %s is refused',
    async (timeoutMs) => {
      await open();
      expect(await chat(ASK, { timeoutMs })).toMatchObject({ kind: 'failed', error: { code: 'ERR_REQUEST_INVALID' } });
    },
  );

  test('chats leave nothing at the signal of a connection that serves many', async () => {
    await open();
    const { signal } = new AbortController();
    await told(chat(ASK, { signal }));
    await told(chat({ ...ASK, stream: true }, { signal }));
    await told(chat({ ...ASK, model: 'unknown' }, { signal }));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('a client that has gone before is not served', async () => {
    await open();
    expect(await told(chat(ASK, { signal: AbortSignal.abort() }))).toBe('ERR_CANCELLED');
    expect(one.chats).toEqual([]);
  });
});

describe('closing', () => {
  test('ends the chats in flight, whole and streamed, and refuses new ones', async () => {
    await open();
    const exchanges = held(one);
    const whole = told(chat(ASK));
    await arrivals(one, 1);
    const streamed = chat({ ...ASK, stream: true });
    await arrivals(one, 2);
    (exchanges[1] as Exchange).response.write(events(piece('one')));
    const text = told(await streamed);
    await planner.close();
    expect([await whole, await text]).toEqual(['ERR_PLANNER_CLOSED', 'model m: one ERR_PLANNER_CLOSED']);
    expect(await told(chat(ASK))).toBe('ERR_PLANNER_CLOSED');
    expect(await told(chat(STEADY))).toBe('ERR_PLANNER_CLOSED');
  });
});

test('after 500 chats of all kinds nothing is left: no slot, no flight, no connection', async () => {
  const features = { discovery: false, constrainedAnswers: false, breaker: false };
  const endpoints = { one: { baseURL: one.baseURL, slots: 64 }, two: { baseURL: two.baseURL, slots: 64 } };
  await open({ chat: { maxInFlight: 1_000 }, features, endpoints });
  one.chat = (exchange, nth) => {
    const { response, socket } = exchange;
    switch (nth % 6) {
      case 0:
        return response.writeHead(500).end();
      case 1:
        return json(response, 400, { error: 'no' });
      case 2:
        streamHead(response, events(piece('x')));
        return setImmediate(() => socket.destroy());
      case 3:
        return;
      case 4:
        return streamHead(response, events(piece('x')));
      default:
        return sayHello(response);
    }
  };
  for (let batch = 0; batch < 10; batch++) {
    const outcomes = Array.from({ length: 50 }, (_, nth) => {
      const controller = new AbortController();
      const base = nth % 4 === 0 ? STEADY : ASK;
      const body = { ...base, stream: nth % 2 === 0, messages: [{ role: 'user', content: String(nth % 40) }] };
      const outcome = told(chat(body, { signal: controller.signal, timeoutMs: 400 }));
      if (nth % 7 === 0) setImmediate(() => controller.abort());
      return outcome;
    });
    await Promise.all(outcomes);
  }
  await expect
    .poll(() => planner.stats().endpoints.map(({ busy, waiting }) => busy + waiting), { timeout: 15_000 })
    .toEqual([0, 0]);
  const { requests, inFlight, byOutcome } = planner.stats().chats;
  expect([requests, inFlight]).toEqual([500, 0]);
  expect(Object.values(byOutcome).reduce((sum, count) => sum + count)).toBe(500);
  for (const outcome of ['answered', 'failed', 'timeout', 'cancelled'] as const) {
    expect(byOutcome[outcome], outcome).toBeGreaterThan(0);
  }
  await planner.close();
  await expect.poll(() => [...one.chats, ...two.chats].filter(({ socket }) => !socket.destroyed).length).toBe(0);
});
