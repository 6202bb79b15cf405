import type { ServerResponse } from 'node:http';
import type { PreparedAnswer } from './answer.ts';
import type { ChatRequest } from './chat-request.ts';
import type { MachineUsage } from './machine-job.ts';
import type { TokenLogprob } from './reads/token-chances.ts';

/** Writes the answers of a request to its response, as a stream of events or as one JSON body. */
export interface ChatWriter {
  start(): void;
  /** This many tokens of one of the answers are now available. */
  write(choice: number, count: number): void;
  /** One of the answers is complete; with the last one, so is the response. */
  finish(choice: number, usage: MachineUsage): void;
  /** Sends an error instead of the rest, after status 200 has been sent. */
  fail(error: string | object): void;
}

export interface ChatIdentity {
  readonly id: string;
  readonly model: string;
  /** Seconds since the Unix epoch. */
  readonly created: number;
  /** Whether to include `timings`, as llama.cpp does. */
  readonly hasTimings: boolean;
}

function writtenTokens(answers: readonly PreparedAnswer[]): number {
  return answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

function usageOf(answers: readonly PreparedAnswer[], { promptTokens, cachedTokens }: MachineUsage): object {
  const completionTokens = writtenTokens(answers);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function timingsOf(answers: readonly PreparedAnswer[], usage: MachineUsage, identity: ChatIdentity): object {
  if (!identity.hasTimings) return {};
  const { promptTokens, cachedTokens } = usage;
  return {
    timings: { cache_n: cachedTokens, prompt_n: promptTokens - cachedTokens, predicted_n: writtenTokens(answers) },
  };
}

export class StreamWriter implements ChatWriter {
  readonly #response: ServerResponse;
  readonly #request: ChatRequest;
  readonly #answers: readonly PreparedAnswer[];
  readonly #identity: ChatIdentity;
  /** The common beginning of all events of a stream. */
  readonly #head: string;
  /** Number of tokens written of each answer. */
  readonly #written: number[];
  #finished = 0;

  constructor(
    response: ServerResponse,
    request: ChatRequest,
    answers: readonly PreparedAnswer[],
    identity: ChatIdentity,
  ) {
    this.#response = response;
    this.#request = request;
    this.#answers = answers;
    this.#written = answers.map(() => 0);
    this.#identity = identity;
    const { id, created, model } = identity;
    this.#head = `data: {"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(model)},"choices":`;
  }

  /** The headers are sent when a slot starts; the first event only after the prompt is read. */
  start(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    this.#response.flushHeaders();
  }

  write(choice: number, count: number): void {
    const { tokens, logprobs } = this.#answers[choice] as PreparedAnswer;
    const written = this.#written[choice] as number;
    if (count <= written) return;
    let events = written === 0 ? this.#event(choice, '{"role":"assistant","content":""}', 'null') : '';
    for (const [at, token] of tokens.slice(written, count).entries()) {
      const told = logprobs?.[written + at];
      events += this.#event(choice, `{"content":${JSON.stringify(token)}}`, 'null', told);
    }
    this.#written[choice] = count;
    this.#response.write(events);
  }

  finish(choice: number, usage: MachineUsage): void {
    const { tokens, finishReason } = this.#answers[choice] as PreparedAnswer;
    let events = tokens.length === 0 ? this.#event(choice, '{"role":"assistant","content":""}', 'null') : '';
    events += this.#event(choice, '{}', `"${finishReason}"`);
    this.#finished++;
    if (this.#finished < this.#answers.length) {
      this.#response.write(events);
      return;
    }
    if (this.#request.includeUsage) {
      const last = { usage: usageOf(this.#answers, usage), ...timingsOf(this.#answers, usage, this.#identity) };
      events += `${this.#head}[],${JSON.stringify(last).slice(1)}\n\n`;
    }
    this.#response.end(`${events}data: [DONE]\n\n`);
  }

  fail(error: string | object): void {
    this.#response.end(`data: ${JSON.stringify({ error })}\n\n`);
  }

  #event(choice: number, delta: string, finishReason: string, told?: TokenLogprob): string {
    const logprobs = told === undefined ? '' : `"logprobs":{"content":[${JSON.stringify(told)}]},`;
    return `${this.#head}[{"index":${choice},"delta":${delta},${logprobs}"finish_reason":${finishReason}}]}\n\n`;
  }
}

/** Sends nothing until the answers are complete, then one body. */
export class BodyWriter implements ChatWriter {
  readonly #response: ServerResponse;
  readonly #choices: number;
  readonly #body: (usage: MachineUsage) => object;
  #finished = 0;

  constructor(response: ServerResponse, choices: number, body: (usage: MachineUsage) => object) {
    this.#response = response;
    this.#choices = choices;
    this.#body = body;
  }

  start(): void {}
  write(): void {}

  finish(_choice: number, usage: MachineUsage): void {
    this.#finished++;
    if (this.#finished === this.#choices) this.#send(this.#body(usage));
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

/** The body of a chat that is not streamed. */
export function chatBody(answers: readonly PreparedAnswer[], usage: MachineUsage, identity: ChatIdentity): object {
  const { id, created, model } = identity;
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: answers.map(({ tokens, logprobs, finishReason }, index) => ({
      index,
      message: { role: 'assistant', content: tokens.join('') },
      logprobs: logprobs === undefined ? null : { content: logprobs },
      finish_reason: finishReason,
    })),
    usage: usageOf(answers, usage),
    ...timingsOf(answers, usage, identity),
  };
}
