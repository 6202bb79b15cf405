import { expect } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { ERROR_CODES, PlannerError } from '../../../src/shared/errors.ts';
import type { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { StandingChoice } from '../../../src/shared/vote/standing-choice.ts';
import { isVoteComplete } from '../../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../../src/shared/vote-answer.ts';
import type { ServerAnswer } from '../door-rows.ts';
import { type ChatServer, sayHello } from '../make-chats.ts';
import type { Door } from './door.ts';

const ACTIONS = ['attack', 'block', 'retreat'];

function checkFailure({ code, message }: PlannerError): void {
  expect(Object.keys(ERROR_CODES)).toContain(code);
  expect(code, message).not.toBe('ERR_INTERNAL');
}

/** The text of a model, as it is written and as a whole, as what it says and as what it thinks. */
export function textDoor(bytes: Buffer): void {
  const text = bytes.toString();
  const standing = new StandingChoice(ACTIONS);
  for (let end = 0; end <= text.length; end += Math.max(1, text.length >> 4)) standing.look(text.slice(0, end));
  isVoteComplete(text);
  for (const [content, reasoning] of [
    [text, ''],
    ['', text],
  ] as const) {
    try {
      expect(ACTIONS).toContain(readVote({ content, reasoning, finishReason: 'stop' }, ACTIONS).action);
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      checkFailure(error);
    }
  }
}

/** What a model server sends, byte for byte: to a chat, streamed and whole, and to the call of a plan. */
export class ServedDoor {
  readonly #server: ChatServer;
  readonly #gateway: ChatPlanner;
  readonly #client: ModelClient;
  readonly #answers = new Map<string, ServerAnswer>();
  #nth = 0;

  constructor(parts: { readonly server: ChatServer; readonly gateway: ChatPlanner; readonly client: ModelClient }) {
    this.#server = parts.server;
    this.#gateway = parts.gateway;
    this.#client = parts.client;
    this.#server.chat = ({ response, body }) => {
      const answer = this.#answers.get(/answer \d+/.exec(body)?.[0] ?? '');
      // A gateway that doubts a server asks for a few words of its own.
      if (answer === undefined) return sayHello(response);
      const { status, type, bytes } = answer;
      response.writeHead(status, type === null ? {} : { 'content-type': type });
      response.end(bytes);
    };
  }

  /** Answers as the row that these bytes come from did. */
  doorOf({ status, type }: Omit<ServerAnswer, 'bytes'>): Door {
    return async (bytes) => {
      const nth = this.#nth++;
      const name = `answer ${nth}`;
      this.#answers.set(name, { status, type, bytes });
      const messages = [{ role: 'user' as const, content: name }];
      try {
        if (nth % 3 === 2) await this.#plan(messages);
        else await this.#chat({ model: 'm', messages, seed: 1, ...(nth % 3 === 0 ? {} : { stream: true }) });
      } finally {
        this.#answers.delete(name);
        this.#server.forget();
      }
    };
  }

  async #plan(messages: readonly { readonly role: 'user'; readonly content: string }[]): Promise<void> {
    const outcome = await this.#client.chat({ model: 'm', messages, maxTokens: 9, temperature: 0, timeoutMs: 20_000 });
    if (outcome.ok) textDoor(Buffer.from(outcome.answer.content));
    else checkFailure(outcome.failure);
  }

  async #chat(body: object): Promise<void> {
    const reply = await this.#gateway.chats.chat(body);
    if (reply.kind === 'failed') return checkFailure(reply.error);
    if (reply.kind === 'whole') return void JSON.parse(reply.completion);
    for await (const frame of reply.frames) expect(frame).toMatch(/\n\n$/);
  }
}
