import type OpenAI from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import { type Clock, deadlineSignal, type Timer } from '../clock.ts';
import { PlannerError } from '../errors.ts';
import type { CallReport, EndpointAddress } from '../tasks.ts';
import { UNWANTED } from '../unwanted.ts';
import { ChatStream } from './chat-stream.ts';
import { type CallPhase, callFailure, timeoutFailure } from './failures.ts';
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
  /** True ends the call, and its connection, as soon as the answer is decided. Default: read to the end. */
  readonly isComplete?: (content: string) => boolean;
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

  constructor(endpoint: EndpointAddress, clock: Clock, connectionsMax: number) {
    this.#clock = clock;
    this.#transport = new Transport(endpoint.baseURL, connectionsMax);
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
    const deadline = deadlineSignal(this.#clock, this.#clock.now() + timeoutMs, signal);
    try {
      // Read by hand: the SDK takes whatever has no list of models for an empty one.
      const response = await this.#sdk.models.list({ signal: deadline.signal }).asResponse();
      return modelIds(await response.json());
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
  readonly #startedAt: number;
  #phase: CallPhase = 'connect';
  #headersAt: number | undefined;
  #firstTokenAt: number | undefined;
  #stream: ChatStream | undefined;
  #lingerTimer: Timer | undefined;

  constructor(sdk: OpenAI, clock: Clock, call: ChatCall, signal: AbortSignal | undefined) {
    this.#sdk = sdk;
    this.#clock = clock;
    this.#call = call;
    this.#signal = signal;
    this.#startedAt = clock.now();
  }

  run(): Promise<ChatOutcome> {
    const { promise, resolve } = Promise.withResolvers<ChatOutcome>();
    let settled = false;
    const settle = (failure?: PlannerError): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      this.#signal?.removeEventListener('abort', onAbort);
      resolve(this.#outcome(failure));
      // After this read: most servers end the response in the packet that says [DONE].
      if (failure === undefined) queueMicrotask(() => this.#linger());
    };
    const onAbort = (): void => {
      settle(new PlannerError('ERR_CANCELLED', 'the call was cancelled'));
      this.#controller.abort(UNWANTED);
    };
    const timer = this.#clock.setTimer(this.#call.timeoutMs, () => {
      settle(timeoutFailure(this.#stream?.phase ?? this.#phase, this.#call.timeoutMs));
      // In the next turn: closing a socket takes longer than settling, and other timers are due at the same time.
      setImmediate(() => this.#controller.abort(UNWANTED));
    });
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
      },
    };
    // The SDK types fetchOptions for the platform's fetch; what it holds is passed on to ours untouched.
    const options = { fetchOptions } as OpenAI.RequestOptions;
    return this.#sdk.chat.completions.create(chatBody(this.#call), options).asResponse();
  }

  #read(response: Response, settle: (failure?: PlannerError) => void): void {
    this.#headersAt = this.#clock.now();
    const type = response.headers.get('content-type') ?? '';
    this.#stream = new ChatStream({
      isEventStream: type === '' || type.includes('event-stream'),
      isConstrained: this.#call.schema !== undefined,
      isComplete: this.#call.isComplete,
      onFirstToken: () => {
        this.#firstTokenAt = this.#clock.now();
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
    return {
      totalMs: this.#clock.now() - this.#startedAt,
      ...(isTold && this.#headersAt !== undefined ? { queueMs: this.#headersAt - this.#startedAt } : {}),
      ...(isTold && this.#firstTokenAt !== undefined ? { firstTokenMs: this.#firstTokenAt - this.#startedAt } : {}),
      ...(stream?.model === undefined ? {} : { modelAnswered: stream.model }),
      ...stream?.usage,
    };
  }
}
