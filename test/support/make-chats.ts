import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { type Collaborators, createPlanner } from '../../src/main/service/create-planner.ts';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
import { FakeModels } from './fake-models.ts';
import { testDomain } from './make-planner.ts';
import { type Exchange, events, FINISH, json, piece, ScriptedServer, streamHead } from './scripted-server.ts';

/** A model server that lists `models` and does to each chat what `chat` says: by default it says `hello world`. */
export class ChatServer implements AsyncDisposable {
  readonly #server: ScriptedServer;
  models: readonly string[];
  /** What it tells at other paths, from the root. */
  pages: Readonly<Record<string, unknown>> = {};
  /** What it does at other paths, from the root. */
  routes: Readonly<Record<string, (exchange: Exchange) => unknown>> = {};
  /** Requests to those. */
  readonly passed: Exchange[] = [];
  /** Chats that it has read whole. */
  readonly chats: Exchange[] = [];
  chat: (exchange: Exchange, nth: number) => unknown = ({ response }) => sayHello(response);
  list: (exchange: Exchange) => unknown = ({ response }) =>
    json(response, 200, { object: 'list', data: this.models.map((id) => ({ id })) });
  readonly #arrivals: ((exchange: Exchange) => void)[] = [];

  private constructor(server: ScriptedServer, models: readonly string[]) {
    this.#server = server;
    this.models = models;
    server.script = (exchange) => {
      if (exchange.url.endsWith('/models')) return this.list(exchange);
      const page = this.pages[exchange.url];
      if (page !== undefined) return json(exchange.response, 200, page);
      const route = this.routes[exchange.url];
      if (route !== undefined) {
        this.passed.push(exchange);
        this.#arrivals.shift()?.(exchange);
        return route(exchange);
      }
      if (!exchange.url.endsWith('/chat/completions')) return json(exchange.response, 404, {});
      this.chats.push(exchange);
      this.#arrivals.shift()?.(exchange);
      return this.chat(exchange, this.chats.length - 1);
    };
  }

  static async start(...models: string[]): Promise<ChatServer> {
    return new ChatServer(await ScriptedServer.start(), models.length === 0 ? ['m'] : models);
  }

  get baseURL(): string {
    return this.#server.baseURL;
  }

  /** Lets go of what it has been asked: for runs that are long. */
  forget(): void {
    this.chats.length = 0;
    this.passed.length = 0;
    this.#server.exchanges.length = 0;
  }

  /** The bodies of the chats that it was sent. */
  get bodies(): Record<string, unknown>[] {
    return this.chats.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }

  /** The next chat to arrive. Ask before it is made. */
  next(): Promise<Exchange> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

export const HELLO = [
  {
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  },
  piece('hello', { id: 'c1', model: 'm' }),
  piece(' world', { id: 'c1', model: 'm' }),
  { id: 'c1', model: 'm', ...FINISH },
  { id: 'c1', model: 'm', choices: [], usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } },
  '[DONE]',
];

export function sayHello(response: Exchange['response']): void {
  streamHead(response);
  response.end(events(...HELLO));
}

/** A real planner, with the clients of its chats, on these servers; its experts and their threads are fakes. */
export async function makeChats(
  servers: Readonly<Record<string, { readonly baseURL: string }>>,
  options: Partial<PlannerOptions> = {},
  clock: Clock = systemClock,
  more: Collaborators = {},
): Promise<ChatPlanner> {
  const pool = new FakeModels(clock, () => ({ kind: 'stuck' }));
  const endpoints = Object.fromEntries(Object.entries(servers).map(([name, { baseURL }]) => [name, { baseURL }]));
  return createPlanner(
    {
      domain: testDomain,
      endpoints,
      experts: [],
      synthesis: { models: [] },
      features: { discovery: false, constrainedAnswers: false },
      onMissingModel: 'skip',
      ...options,
    },
    { clock, pool, ...more },
  );
}

export const ASK = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

/** Reads all frames of a stream, and what they tell. */
export async function readFrames(
  frames: AsyncIterable<string>,
): Promise<{ text: string; events: unknown[]; isDone: boolean }> {
  let text = '';
  for await (const frame of frames) text += frame;
  const all = text
    .split('\n\n')
    .filter((each) => each !== '')
    .map((each) => each.replace(/^data: /, ''));
  return {
    text,
    events: all.filter((each) => each !== '[DONE]').map((each) => JSON.parse(each) as unknown),
    isDone: all.at(-1) === '[DONE]',
  };
}

/** The words in the events of a stream. */
export function wordsOf(told: readonly unknown[]): string {
  return (told as { choices?: { delta?: { content?: string } }[] }[])
    .map(({ choices }) => choices?.[0]?.delta?.content ?? '')
    .join('');
}
