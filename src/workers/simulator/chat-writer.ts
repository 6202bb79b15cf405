import type { ServerResponse } from 'node:http';
import type { PreparedAnswer } from './answer.ts';
import type { ChatRequest } from './chat-request.ts';
import type { MachineUsage } from './machine-job.ts';

/** Writes one answer to its response, as a stream of events or as one JSON body. */
export interface ChatWriter {
  start(): void;
  /** So many tokens of the answer are there by now. */
  write(count: number): void;
  finish(usage: MachineUsage): void;
  /** An error in place of the rest, under the status 200 that is already out. */
  fail(error: string | object): void;
}

export interface ChatIdentity {
  readonly id: string;
  readonly model: string;
  /** Seconds since the Unix epoch. */
  readonly created: number;
  /** Whether `timings` are given, as llama.cpp does. */
  readonly hasTimings: boolean;
}

function usageOf(answer: PreparedAnswer, { promptTokens, cachedTokens }: MachineUsage): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: answer.tokens.length,
    total_tokens: promptTokens + answer.tokens.length,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function timingsOf(answer: PreparedAnswer, usage: MachineUsage, identity: ChatIdentity): object {
  if (!identity.hasTimings) return {};
  const { promptTokens, cachedTokens } = usage;
  return {
    timings: { cache_n: cachedTokens, prompt_n: promptTokens - cachedTokens, predicted_n: answer.tokens.length },
  };
}

export class StreamWriter implements ChatWriter {
  readonly #response: ServerResponse;
  readonly #request: ChatRequest;
  readonly #answer: PreparedAnswer;
  readonly #identity: ChatIdentity;
  /** All events of a stream begin alike. */
  readonly #head: string;
  #written = 0;

  constructor(response: ServerResponse, request: ChatRequest, answer: PreparedAnswer, identity: ChatIdentity) {
    this.#response = response;
    this.#request = request;
    this.#answer = answer;
    this.#identity = identity;
    const { id, created, model } = identity;
    this.#head = `data: {"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(model)},"choices":`;
  }

  /** The headers go out when a slot starts; the first event only after the prompt is read. */
  start(): void {
    this.#response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    this.#response.flushHeaders();
  }

  write(count: number): void {
    if (count <= this.#written) return;
    let events = this.#written === 0 ? this.#choice('{"role":"assistant","content":""}', 'null') : '';
    for (; this.#written < count; this.#written++) {
      events += this.#choice(`{"content":${JSON.stringify(this.#answer.tokens[this.#written])}}`, 'null');
    }
    this.#response.write(events);
  }

  finish(usage: MachineUsage): void {
    const { tokens, finishReason } = this.#answer;
    let events = tokens.length === 0 ? this.#choice('{"role":"assistant","content":""}', 'null') : '';
    events += this.#choice('{}', `"${finishReason}"`);
    if (this.#request.includeUsage) {
      const last = { usage: usageOf(this.#answer, usage), ...timingsOf(this.#answer, usage, this.#identity) };
      events += `${this.#head}[],${JSON.stringify(last).slice(1)}\n\n`;
    }
    this.#response.end(`${events}data: [DONE]\n\n`);
  }

  fail(error: string | object): void {
    this.#response.end(`data: ${JSON.stringify({ error })}\n\n`);
  }

  #choice(delta: string, finishReason: string): string {
    return `${this.#head}[{"index":0,"delta":${delta},"finish_reason":${finishReason}}]}\n\n`;
  }
}

export class BodyWriter implements ChatWriter {
  readonly #response: ServerResponse;
  readonly #answer: PreparedAnswer;
  readonly #identity: ChatIdentity;

  constructor(response: ServerResponse, answer: PreparedAnswer, identity: ChatIdentity) {
    this.#response = response;
    this.#answer = answer;
    this.#identity = identity;
  }

  /** Nothing is sent before the answer is whole. */
  start(): void {}
  write(): void {}

  finish(usage: MachineUsage): void {
    const { id, created, model } = this.#identity;
    const message = { role: 'assistant', content: this.#answer.tokens.join('') };
    this.#send({
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: this.#answer.finishReason }],
      usage: usageOf(this.#answer, usage),
      ...timingsOf(this.#answer, usage, this.#identity),
    });
  }

  fail(error: string | object): void {
    this.#send({ error });
  }

  #send(body: object): void {
    const text = JSON.stringify(body);
    this.#response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    this.#response.end(text);
  }
}
