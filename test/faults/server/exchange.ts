import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pick, type Random } from '../../../src/shared/random.ts';
import type { PromptReading } from '../../../src/workers/simulator/prompt-reader.ts';
import type { ReadBody } from './chat-body.ts';
import { answerRead } from './read-answers.ts';
import type { SlotQueue } from './slot-queue.ts';

/** What a fault may change of the server as a whole. */
export interface ServerState {
  readonly slots: SlotQueue;
  readonly tokenMs: number;
  readonly hugeBytes: number;
  /** A time as a real server would take it, at the scale of the test. */
  scaled(ms: number): number;
  /** Runs `fire` later, also when whoever caused it is gone. Dropped when the server is healed. */
  later(ms: number, fire: () => void): void;
  /** Sets the slots to one for `ms`. */
  shrinkSlots(ms: number): void;
  /** Runs `ready` when the model is in memory. The first to ask begins its loading, of `ms`. */
  whenLoaded(ms: number, ready: () => void): void;
  jumpClock(): void;
  /** Whether as many reads have been answered since the fault began as the server can before it forgets how. */
  hasForgotten(): boolean;
}

export interface ExchangeParts {
  readonly server: ServerState;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly random: Random;
  readonly prompt: PromptReading;
  readonly model: string;
  readonly isStreamed: boolean;
  /** Whether a schema constrains the answer. */
  readonly wantsJson: boolean;
  readonly hasStreamOptions: boolean;
  /** Requests that this connection carried before. */
  readonly servedBefore: number;
  readonly read?: ReadBody;
}

/** One chat request and the ways to answer it, well and badly. Time that is set here ends with the response. */
export class Exchange {
  readonly server: ServerState;
  readonly socket: Socket;
  readonly random: Random;
  readonly prompt: PromptReading;
  readonly model: string;
  readonly wantsJson: boolean;
  readonly hasStreamOptions: boolean;
  readonly servedBefore: number;
  readonly read: ReadBody | undefined;
  readonly arrivedAtMs: number;
  /** Whether the server itself broke the connection off. */
  hasBrokenOff = false;
  readonly #response: ServerResponse;
  readonly isStreamed: boolean;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(parts: ExchangeParts, arrivedAtMs: number) {
    this.server = parts.server;
    this.socket = parts.socket;
    this.random = parts.random;
    this.prompt = parts.prompt;
    this.model = parts.model;
    this.wantsJson = parts.wantsJson;
    this.hasStreamOptions = parts.hasStreamOptions;
    this.servedBefore = parts.servedBefore;
    this.read = parts.read;
    this.arrivedAtMs = arrivedAtMs;
    this.#response = parts.response;
    this.isStreamed = parts.isStreamed;
    this.#response.once('close', () => {
      for (const timer of this.#timers) clearTimeout(timer);
    });
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  after(ms: number, fire: () => void): void {
    if (!this.isOpen) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      fire();
    }, ms);
    this.#timers.add(timer);
  }

  /** Runs `start` with a slot, which the end of the response gives back. */
  withSlot(start: () => void): void {
    const claim = this.server.slots.take(start);
    this.#response.once('close', () => claim.release());
  }

  // What is sent ----------------------------------------------------------------------------------------------------

  /** The headers of a stream, and with them whatever is already there of it. */
  head(text = '', type = 'text/event-stream'): void {
    this.#response.writeHead(200, { 'content-type': type });
    if (text === '') this.#response.flushHeaders();
    else this.#response.write(text);
  }

  /** False when the client reads too slowly: go on at `onDrain`. */
  write(text: string | Buffer): boolean {
    return this.isOpen && this.#response.write(text);
  }

  onDrain(go: () => void): void {
    this.#response.once('drain', go);
  }

  end(text = ''): void {
    if (this.isOpen) this.#response.end(text);
  }

  status(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, { 'content-type': 'application/json', ...headers });
    this.#response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  /** The start of a page that says 500. */
  pageHead(html: string): void {
    this.#response.writeHead(500, { 'content-type': 'text/html; charset=utf-8' });
    this.#response.write(html);
  }

  page(html: string): void {
    this.pageHead(html);
    this.end();
  }

  /** The connection ends here, by FIN or by reset. */
  breakOff(how: 'close' | 'reset'): void {
    this.hasBrokenOff = true;
    if (how === 'reset') this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  // Events of a stream ----------------------------------------------------------------------------------------------

  event(data: unknown): string {
    return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
  }

  piece(content: string, more: object = {}): string {
    const choices = [{ index: 0, delta: { content }, finish_reason: null }];
    return this.event({ id: 'chatcmpl-f', object: 'chat.completion.chunk', model: this.model, choices, ...more });
  }

  finish(reason = 'stop', usage: object = { prompt_tokens: 200, completion_tokens: 8 }): string {
    const model = this.model;
    return (
      this.event({ model, choices: [{ index: 0, delta: {}, finish_reason: reason }] }) +
      this.event({ model, choices: [], usage }) +
      this.event('[DONE]')
    );
  }

  // Whole answers ---------------------------------------------------------------------------------------------------

  /** The action that this server is for, whoever asks: of the situation, not of the role. */
  get choice(): number {
    return this.choiceOf(this.prompt.actions.length);
  }

  /** The same of so many options in the order of the actions. */
  choiceOf(count: number): number {
    let hash = 0;
    for (const value of this.prompt.situation.values()) {
      for (let i = 0; i < value.length; i++) hash = (Math.imul(hash, 31) + value.charCodeAt(i)) >>> 0;
    }
    return hash % Math.max(1, count);
  }

  /** How the prompt asks for it: by its label, or by its name. */
  get choiceText(): string {
    return this.prompt.labels[this.choice] ?? this.prompt.actions[this.choice] ?? '1';
  }

  /** The choice in JSON: of the schema where one was given, else as models write it. */
  get choiceJson(): string {
    const choice = this.prompt.isNumbered ? this.choice + 1 : this.choiceText;
    const reason = 'It suits this moment.';
    return JSON.stringify(this.wantsJson ? { choice, confidence: 0.9, reason } : { action: choice, reason });
  }

  /** The whole answer in the form that was asked for. */
  get answerText(): string {
    return this.wantsJson ? this.choiceJson : `${this.choiceText}\nIt suits this moment.\n`;
  }

  /** The answer as it should be, at the pace of the server, in a slot. */
  answerWell(more: object = {}): void {
    if (this.read !== undefined) return answerRead(this, this.read, { more });
    const text = this.answerText;
    this.say(text.match(/[^\s,]*[\s,]?/g) ?? [], more);
  }

  /** The same at once and in one packet, so that its connection is read to the end and kept. */
  answerAtOnce(): void {
    if (this.read !== undefined) return answerRead(this, this.read);
    this.head();
    this.end(this.piece(this.answerText.trimEnd()) + this.finish());
  }

  say(tokens: readonly string[], more: object = {}, tokenMs = this.server.tokenMs): void {
    this.withSlot(() => {
      if (!this.isOpen) return;
      if (!this.isStreamed) return this.#sayWhole(tokens.join(''));
      if (tokenMs > 0) return this.#drip(tokens, more, tokenMs);
      this.head(tokens.map((token) => this.piece(token, more)).join(''));
      this.end(this.finish());
    });
  }

  pickOf<T>(variants: readonly T[]): T {
    return pick(this.random, variants);
  }

  #sayWhole(content: string): void {
    const message = { role: 'assistant', content };
    this.status(200, { model: this.model, choices: [{ index: 0, message, finish_reason: 'stop' }] });
  }

  #drip(tokens: readonly string[], more: object, tokenMs: number): void {
    this.head();
    const next = (index: number): void => {
      if (!this.isOpen) return;
      if (index === tokens.length) return this.end(this.finish());
      this.write(this.piece(tokens[index] as string, more));
      this.after(tokenMs, () => next(index + 1));
    };
    this.after(tokenMs, () => next(0));
  }
}
