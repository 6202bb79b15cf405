import type OpenAI from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import { type Clock, deadlineSignal } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import type { ReadCall, ReadOutcome } from '../reads/reading.ts';
import type { CallReport, EndpointAddress } from '../tasks.ts';
import { UNWANTED } from '../unwanted.ts';
import { wellFormed } from '../well-formed.ts';
import { type AttemptResult, CallAttempt } from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import { type Relay, type RelayCall, type RelayEnd, startRelay } from './chat-relay.ts';
import { ChatStream } from './chat-stream.ts';
import { type CallPhase, callFailure, timeoutFailure } from './failures.ts';
import { LeanOpenAI } from './lean-sdk.ts';
import { OwnSecrets } from './own-secrets.ts';
import { type PassCall, type PassRelay, startPass } from './pass-relay.ts';
import { makeRead } from './read-call.ts';
import { StreamOptions } from './stream-options.ts';
import { type StreamedResponse, Transport } from './transport.ts';

/**
 * One streamed chat call to one endpoint, for workers and the coordinator. The SDK builds requests and reads error statuses; the
 * transport and the stream are ours. It never retries: the planner does, within the deadline.
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

/** A schema that constrains an answer. Servers support JSON Schema to different extents: bounds of numbers and lengths may be ignored. */
export interface ChatSchema {
  readonly name: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface ChatCall {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens: number;
  readonly temperature: number;
  /** Time limit of the whole call, in milliseconds. Its failure names the phase that was running. */
  readonly timeoutMs: number;
  /** Shorter time limits of its phases, if known. Not used without a stream. */
  readonly phases?: PhaseLimits;
  /** Returns true to end the call and its connection as soon as the answer is decided. Default: read to the end. */
  readonly isComplete?: (content: string) => boolean;
  /** Called once, when the answer begins. */
  readonly onFirstToken?: () => void;
  /** Called with each phase that the call enters after the first, which is `connect`. */
  readonly onPhase?: (phase: CallPhase) => void;
  /** Called once per network read that leaves the answer open, with the whole answer so far. Not called without a stream. */
  readonly onContent?: (content: string) => void;
  /** The answer must be JSON of this schema. Default: text. */
  readonly schema?: ChatSchema;
  /** False asks for the answer in one piece, which nothing can end early. Default true. */
  readonly stream?: boolean;
  /** True asks for the tokens with every event, which llama.cpp can report. Default: with the last event. */
  readonly tellsTokens?: boolean;
}

export interface ChatAnswer {
  readonly content: string;
  readonly reasoning: string;
  readonly finishReason: string | undefined;
}

export type ChatOutcome =
  | { readonly ok: true; readonly answer: ChatAnswer; readonly report: CallReport }
  | { readonly ok: false; readonly failure: PlannerError; readonly report: CallReport };

/** The SDK requires a timeout of its own; ours always comes first. */
const SDK_TIMEOUT_MS = 2 ** 31 - 1;

export class ModelClient {
  readonly #sdk: OpenAI;
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** The base URL without its version path. */
  readonly #root: string;
  readonly #secrets: OwnSecrets;
  readonly #streamOptions: StreamOptions;

  constructor(endpoint: EndpointAddress, clock: Clock, connectionsMax: number) {
    this.#clock = clock;
    this.#secrets = new OwnSecrets(endpoint);
    this.#streamOptions = new StreamOptions(clock);
    this.#transport = new Transport(endpoint.baseURL, connectionsMax);
    this.#root = endpoint.baseURL.replace(/(?:\/v1)?\/*$/, '');
    this.#sdk = new LeanOpenAI({
      baseURL: endpoint.baseURL,
      apiKey: endpoint.apiKey ?? 'not-needed',
      // Null, so that the SDK does not read them from the environment.
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

  /** Asks for a chat answer. Never rejects: every failure is a code of the error table, with the times that were reached. */
  async chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    const outcome = await readAnswer(this.#sdk, this.#clock, this.#streamOptions, call, signal);
    return outcome.ok ? outcome : { ...outcome, failure: this.#secrets.ofFailure(outcome.failure) };
  }

  /** Asks once for the probabilities of actions. Never rejects. */
  async read(call: ReadCall, signal?: AbortSignal): Promise<ReadOutcome> {
    const outcome = await makeRead(this.#sdk, this.#clock, call, signal);
    return outcome.ok ? outcome : { ...outcome, ...this.#withoutSecrets(outcome) };
  }

  /** Makes a call on behalf of a client, with an unchanged body, and reports its answer as it arrives. Never throws. */
  relay(call: RelayCall, signal?: AbortSignal): Relay {
    const relay = startRelay(this.#sdk, this.#clock, this.#streamOptions, call, signal);
    return this.#secrets.isEmpty ? relay : { ...relay, ended: relay.ended.then((end) => this.#withoutSecrets(end)) };
  }

  /** Passes on a request to a route other than chats, as bytes, and reports its answer as it arrives. Never throws. */
  pass(call: PassCall, signal?: AbortSignal): PassRelay {
    const relay = startPass(this.#sdk, this.#clock, call, signal);
    return this.#secrets.isEmpty ? relay : { ...relay, ended: relay.ended.then((end) => this.#withoutSecrets(end)) };
  }

  #withoutSecrets<E extends RelayEnd>({ failure, refusal, ...rest }: E): E {
    return {
      ...(rest as E),
      ...defined({
        failure: failure && this.#secrets.ofFailure(failure),
        refusal: refusal && this.#secrets.ofRefusal(refusal),
      }),
    };
  }

  /** Returns the model ids that the endpoint lists. Throws a coded error. */
  async listModels(timeoutMs: number, signal?: AbortSignal): Promise<string[]> {
    return modelIds(await this.#get('/models', timeoutMs, signal));
  }

  /** Returns the JSON at a path of the server, relative to the base URL without its version path. Throws a coded error. */
  getJson(path: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    return this.#get(`${this.#root}${path}`, timeoutMs, signal);
  }

  async #get(url: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<unknown> {
    const deadline = deadlineSignal(this.#clock, this.#clock.now() + timeoutMs, signal);
    const over = new AbortController();
    try {
      const whole = AbortSignal.any([deadline.signal, over.signal]);
      // Read by hand, because the SDK takes a response without a list of models for an empty one.
      const response = await this.#sdk.get<unknown>(url, { signal: whole }).asResponse();
      // asResponse() returns the result of our fetch.
      return await readJson(response as unknown as StreamedResponse, () => over.abort(UNWANTED));
    } catch (error) {
      if (deadline.expired) throw timeoutFailure('headers', timeoutMs);
      if (signal?.aborted) throw new PlannerError('ERR_CANCELLED', 'the call was cancelled');
      throw this.#secrets.ofFailure(callFailure(error, 'headers'));
    } finally {
      deadline.dispose();
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}

/** Maximum size of a JSON body: larger than any list of models, or of slots with their prompts. */
const JSON_BYTES_MAX = 4_000_000;

/** Reads the JSON of a whole body. A body that is too long is not read to its end: `stop` closes its connection. */
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
  // Some servers send a byte order mark before it.
  return JSON.parse((await promise).replace(/^\ufeff/, ''));
}

/** Returns the ids of a model list. Ollama lists `null` if it has no models. */
function modelIds(list: unknown): string[] {
  const data = list !== null && typeof list === 'object' ? (list as { data?: unknown }).data : undefined;
  if (data === null) return [];
  if (!Array.isArray(data)) throw new PlannerError('ERR_MODEL_MALFORMED', 'the model list is not a list');
  const ids: string[] = [];
  for (const model of data as readonly ({ id?: unknown } | null)[]) {
    const id = model?.id;
    if (typeof id === 'string' && id.length <= MODEL_ID_CHARS_MAX) ids.push(id);
    if (ids.length === MODELS_MAX) break;
  }
  return ids;
}

/** Maximum number of models of one server. It may list anything, and every unknown name is searched for in the list. */
const MODELS_MAX = 10_000;
const MODEL_ID_CHARS_MAX = 1_024;

function chatBody(call: ChatCall): ChatCompletionCreateParams {
  const { model, messages, maxTokens, temperature, schema, stream = true, tellsTokens = false } = call;
  return wellFormed({
    model,
    messages: messages as ChatCompletionCreateParams['messages'],
    max_tokens: maxTokens,
    temperature,
    ...(stream ? { stream, stream_options: { include_usage: true } } : { stream }),
    ...(stream && tellsTokens ? { timings_per_token: true } : {}),
    ...(schema === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema',
            json_schema: { name: schema.name, strict: true, schema: { ...schema.schema } },
          },
        }),
  });
}

async function readAnswer(
  sdk: OpenAI,
  clock: Clock,
  streamOptions: StreamOptions,
  call: ChatCall,
  signal: AbortSignal | undefined,
): Promise<ChatOutcome> {
  const asked = { body: chatBody(call), timeoutMs: call.timeoutMs };
  const attempt = (body: ChatCompletionCreateParams, timeoutMs: number): Promise<AttemptResult<ChatStream>> =>
    startAttempt(sdk, clock, call, body, timeoutMs, signal).run();
  return outcomeOf(await streamOptions.call(asked, signal, attempt));
}

function startAttempt(
  sdk: OpenAI,
  clock: Clock,
  call: ChatCall,
  body: ChatCompletionCreateParams,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): CallAttempt<ChatStream> {
  const { phases, stream = true, schema, isComplete, onContent } = call;
  const isConstrained = schema !== undefined;
  let hasBegun = false;
  return new CallAttempt(
    sdk,
    clock,
    {
      body,
      timeoutMs,
      phases,
      isStreamed: stream,
      isConstrained,
      onPhase: call.onPhase,
      read: (ports) =>
        new ChatStream({
          ...ports,
          isConstrained,
          isComplete,
          onContent,
          onToken: () => {
            if (!hasBegun) {
              call.onFirstToken?.();
              call.onPhase?.('stream');
            }
            hasBegun = true;
            ports.onToken();
          },
        }),
    },
    signal,
  );
}

function outcomeOf({ failure, reader, report }: AttemptResult<ChatStream>): ChatOutcome {
  if (failure !== undefined) return { ok: false, failure, report };
  const { content, reasoning, finishReason } = reader as ChatStream;
  return { ok: true, answer: { content, reasoning, finishReason }, report };
}
