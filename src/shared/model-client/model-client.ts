import type OpenAI from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import { type Clock, deadlineSignal, type Timer } from '../clock.ts';
import { PlannerError } from '../errors.ts';
import type { CallReport, EndpointAddress } from '../tasks.ts';
import { UNWANTED } from '../unwanted.ts';
import { CallWatch, type PhaseLimits } from './call-watch.ts';
import { ChatStream } from './chat-stream.ts';
import { type CallPhase, callFailure, serverFailure, timeoutFailure } from './failures.ts';
import { LeanOpenAI } from './lean-sdk.ts';
import { type StreamedResponse, Transport, type TransportInit } from './transport.ts';

/**
 * One streamed chat call to one endpoint; workers and the coordinator both use it. The SDK builds requests and reads
 * error statuses; the transport and the stream are ours. It never retries: that is the planner's, under the deadline.
 */
export type ChatContent =
  | string
  | readonly (
      | { readonly type: 'text'; readonly text: string }
      | { readonly type: 'image_url'; readonly image_url: { readonly url: string } }
    )[];

export interface ChatMessage {
  readonly role: 'system' | 'user';
  readonly content: ChatContent;
}

/** What constrains an answer. Servers read JSON Schema to different extents: numbers and lengths are wishes. */
export interface ChatSchema {
  readonly name: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface ChatCall {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens: number;
  readonly temperature: number;
  /** Total time of the call, milliseconds. Its failure names the phase that was running. */
  readonly timeoutMs: number;
  /** Limits of its phases, where they are known to be shorter. Not of a call without a stream. */
  readonly phases?: PhaseLimits;
  /** True ends the call, and its connection, as soon as the answer is decided. Default: read to the end. */
  readonly isComplete?: (content: string) => boolean;
  /** Hears once that the answer has begun. */
  readonly onFirstToken?: () => void;
  /** The answer is to be JSON of this schema. Default: text. */
  readonly schema?: ChatSchema;
  /** False asks for the answer in one piece, and then nothing can end it early. Default true. */
  readonly stream?: boolean;
  /** The slot of a llama.cpp server that is to work on it. Default: the server chooses. */
  readonly slot?: number;
}

export interface ChatAnswer {
  readonly content: string;
  readonly reasoning: string;
  readonly finishReason: string | undefined;
}

export type ChatOutcome =
  | { readonly ok: true; readonly answer: ChatAnswer; readonly report: CallReport }
  | { readonly ok: false; readonly failure: PlannerError; readonly report: CallReport };

/** After [DONE] a server has this long to end the response before its connection is closed. */
const LINGER_MS = 500;
/** The SDK wants a timeout of its own; ours always comes first. */
const SDK_TIMEOUT_MS = 2 ** 31 - 1;

export class ModelClient {
  readonly #sdk: OpenAI;
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** The base URL without its version path. */
  readonly #root: string;

  constructor(endpoint: EndpointAddress, clock: Clock, connectionsMax: number) {
    this.#clock = clock;
    this.#transport = new Transport(endpoint.baseURL, connectionsMax);
    this.#root = endpoint.baseURL.replace(/(?:\/v1)?\/*$/, '');
    this.#sdk = new LeanOpenAI({
      baseURL: endpoint.baseURL,
      apiKey: endpoint.apiKey ?? 'not-needed',
      // Given as null so that the SDK does not read them from the environment.
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: 'off',
      maxRetries: 0,
      timeout: SDK_TIMEOUT_MS,
      defaultHeaders: { ...endpoint.headers },
      fetch: this.#transport.fetch,
    });
  }

  /** Never rejects: every failure is a code of the error table, with the times that were reached. */
  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    return new ChatAttempt(this.#sdk, this.#clock, call, signal).run();
  }

  /** The ids the endpoint lists. Throws a coded error. */
  async listModels(timeoutMs: number, signal?: AbortSignal): Promise<string[]> {
    return modelIds(await this.#get('/models', timeoutMs, signal));
  }

  /** The JSON at a path of the server, which starts where the version path of its base URL does. Throws a coded error. */
  getJson(path: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    return this.#get(`${this.#root}${path}`, timeoutMs, signal);
  }

  async #get(url: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<unknown> {
    const deadline = deadlineSignal(this.#clock, this.#clock.now() + timeoutMs, signal);
    const over = new AbortController();
    try {
      const whole = AbortSignal.any([deadline.signal, over.signal]);
      // Read by hand: the SDK takes whatever has no list of models for an empty one.
      const response = await this.#sdk.get<unknown>(url, { signal: whole }).asResponse();
      // What asResponse() gives is what our fetch returned.
      return await readJson(response as unknown as StreamedResponse, () => over.abort(UNWANTED));
    } catch (error) {
      if (deadline.expired) throw timeoutFailure('headers', timeoutMs);
      if (signal?.aborted) throw new PlannerError('ERR_CANCELLED', 'the call was cancelled');
      throw callFailure(error, 'headers');
    } finally {
      deadline.dispose();
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}

/** Longer than any list of models, also one of slots with their prompts. */
const JSON_BYTES_MAX = 4_000_000;

/** The JSON of a whole body. One that is too long is not read to its end: `stop` closes its connection. */
async function readJson(response: StreamedResponse, stop: () => void): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.consume({
    onData: (chunk) => {
      bytes += chunk.length;
      if (bytes <= JSON_BYTES_MAX) chunks.push(chunk);
      else {
        reject(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound of ${JSON_BYTES_MAX} bytes`));
        stop();
      }
    },
    onEnd: () => resolve(Buffer.concat(chunks).toString('utf8')),
    onError: reject,
  });
  return JSON.parse(await promise);
}

/** The ids of a model list. Ollama without models lists `null`. */
function modelIds(list: unknown): string[] {
  const data = list !== null && typeof list === 'object' ? (list as { data?: unknown }).data : undefined;
  if (data === null) return [];
  if (!Array.isArray(data)) throw new PlannerError('ERR_MODEL_MALFORMED', 'the model list is not a list');
  return data.map((model: { id?: unknown } | null) => model?.id).filter((id) => typeof id === 'string');
}

/** A chat request with what only llama.cpp reads. */
type ChatBody = ChatCompletionCreateParams & { readonly id_slot?: number };

function chatBody({ model, messages, maxTokens, temperature, schema, stream = true, slot }: ChatCall): ChatBody {
  return {
    model,
    messages: messages as ChatCompletionCreateParams['messages'],
    max_tokens: maxTokens,
    temperature,
    ...(stream ? { stream, stream_options: { include_usage: true } } : { stream }),
    ...(schema === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema',
            json_schema: { name: schema.name, strict: true, schema: { ...schema.schema } },
          },
        }),
    ...(slot === undefined ? {} : { id_slot: slot }),
  };
}

/** One call from its start to its one settlement. */
class ChatAttempt {
  readonly #sdk: OpenAI;
  readonly #clock: Clock;
  readonly #call: ChatCall;
  readonly #signal: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #watch: CallWatch;
  #phase: CallPhase = 'connect';
  /** Of a response that is an error. */
  #errorStatus: number | undefined;
  #onTimeout: (afterMs: number) => void = () => {};
  #stream: ChatStream | undefined;
  #lingerTimer: Timer | undefined;

  constructor(sdk: OpenAI, clock: Clock, call: ChatCall, signal: AbortSignal | undefined) {
    this.#sdk = sdk;
    this.#clock = clock;
    this.#call = call;
    this.#signal = signal;
    const phases = call.stream === false ? undefined : call.phases;
    this.#watch = new CallWatch(clock, call.timeoutMs, phases, (afterMs) => this.#onTimeout(afterMs));
  }

  run(): Promise<ChatOutcome> {
    const { promise, resolve } = Promise.withResolvers<ChatOutcome>();
    let settled = false;
    const settle = (failure?: PlannerError): void => {
      if (settled) return;
      settled = true;
      this.#watch.dispose();
      this.#signal?.removeEventListener('abort', onAbort);
      resolve(this.#outcome(failure));
      // After this read: most servers end the response in the packet that says [DONE].
      if (failure === undefined) queueMicrotask(() => this.#linger());
    };
    const onAbort = (): void => {
      settle(new PlannerError('ERR_CANCELLED', 'the call was cancelled'));
      this.#controller.abort(UNWANTED);
    };
    this.#onTimeout = (afterMs) => {
      settle(this.#timedOut(afterMs));
      // In the next turn: closing a socket takes longer than settling, and other timers are due at the same time.
      this.#clock.nextTurn(() => this.#controller.abort(UNWANTED));
    };
    if (this.#signal?.aborted) onAbort();
    else {
      this.#signal?.addEventListener('abort', onAbort, { once: true });
      this.#open().then(
        (response) => this.#read(response, settle),
        (error: unknown) => settle(callFailure(error, this.#phase, this.#call.schema !== undefined)),
      );
    }
    return promise;
  }

  #open(): Promise<Response> {
    const fetchOptions: TransportInit = {
      hooks: {
        signal: this.#controller.signal,
        onSent: () => {
          this.#phase = 'headers';
        },
        onStatus: (status) => {
          if (status >= 400) this.#errorStatus = status;
        },
      },
    };
    // The SDK types fetchOptions for the platform's fetch; what it holds is passed on to ours untouched.
    const options = { fetchOptions } as OpenAI.RequestOptions;
    return this.#sdk.chat.completions.create(chatBody(this.#call), options).asResponse();
  }

  /** A status that is an error says more than the time that its page took. */
  #timedOut(afterMs: number): PlannerError {
    if (this.#errorStatus !== undefined) return serverFailure(this.#errorStatus, 'its body did not end in time');
    return timeoutFailure(this.#stream?.phase ?? this.#phase, afterMs);
  }

  #read(response: Response, settle: (failure?: PlannerError) => void): void {
    this.#watch.headers();
    const type = response.headers.get('content-type') ?? '';
    this.#stream = new ChatStream({
      isEventStream: type === '' || type.includes('event-stream'),
      isConstrained: this.#call.schema !== undefined,
      isComplete: this.#call.isComplete,
      onToken: () => {
        if (this.#watch.firstTokenMs === undefined) this.#call.onFirstToken?.();
        this.#watch.token();
      },
      onSettled: settle,
      stop: () => this.#controller.abort(UNWANTED),
      onEnded: () => this.#lingerTimer?.cancel(),
    });
    // What asResponse() gives is what our fetch returned.
    (response as unknown as StreamedResponse).consume(this.#stream);
  }

  /** The answer is whole; its connection is kept if the server ends the response soon, and closed if it does not. */
  #linger(): void {
    if (this.#stream === undefined || this.#stream.ended || this.#controller.signal.aborted) return;
    this.#lingerTimer = this.#clock.setTimer(LINGER_MS, () => this.#controller.abort(UNWANTED));
  }

  #outcome(failure: PlannerError | undefined): ChatOutcome {
    const report = this.#report();
    if (failure) return { ok: false, failure, report };
    const { content, reasoning, finishReason } = this.#stream as ChatStream;
    return { ok: true, answer: { content, reasoning, finishReason }, report };
  }

  #report(): CallReport {
    const stream = this.#stream;
    // Without a stream all of it comes at the end: that says nothing of the queue, nor of the first token.
    const isTold = this.#call.stream !== false;
    const { startedAtMs, queueMs, firstTokenMs, gapMsMax } = this.#watch;
    return {
      totalMs: this.#clock.now() - startedAtMs,
      ...(isTold && queueMs !== undefined ? { queueMs } : {}),
      ...(isTold && firstTokenMs !== undefined ? { firstTokenMs, ...(gapMsMax > 0 ? { gapMsMax } : {}) } : {}),
      ...(stream?.model === undefined ? {} : { modelAnswered: stream.model }),
      ...stream?.usage,
    };
  }
}
