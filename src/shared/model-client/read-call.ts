import type { OpenAI } from 'openai';
import type { Clock } from '../clock.ts';
import { PlannerError } from '../errors.ts';
import { readReadings } from '../reads/read-answer.ts';
import { READ_PATHS, readBody } from '../reads/read-body.ts';
import type { ReadCall, Reading, ReadOutcome } from '../reads/reading.ts';
import { readJson } from '../untrusted-json.ts';
import { AnswerBytes } from './answer-bytes.ts';
import { type AnswerReader, CallAttempt, type ReaderPorts } from './call-attempt.ts';
import type { TokenUsage } from './chat-event.ts';
import { type CallPhase, errorText, serverFailure } from './failures.ts';
import { usageOf } from './pass-event.ts';

/** A whole vocabulary with its log probabilities is no more. */
const BODY_BYTES_MAX = 32_000_000;
/** These say that a server does not have a route, or a model not this way to answer; LM Studio says so with status 200. */
const NOT_THERE: ReadonlySet<number> = new Set([404, 405, 501]);
const NO_ENDPOINT = /unexpected endpoint/i;

/**
 * Asks a model once for the probabilities of actions. Never rejects. ERR_METHOD_UNKNOWN: the server does not have this form.
 * ERR_MODEL_REJECTED: it refuses this request. ERR_MODEL_MALFORMED: its answer tells no probabilities, or none that can be.
 */
export async function makeRead(
  sdk: OpenAI,
  clock: Clock,
  call: ReadCall,
  signal: AbortSignal | undefined,
): Promise<ReadOutcome> {
  const attempt = new CallAttempt<ReadReader>(
    sdk,
    clock,
    {
      body: { path: READ_PATHS[call.form], bytes: readBody(call) },
      timeoutMs: call.timeoutMs,
      isStreamed: false,
      isConstrained: false,
      onPhase: call.onPhase,
      read: (ports) => new ReadReader(ports, call),
    },
    signal,
  );
  const { failure, refusal, reader, report } = await attempt.run();
  if (failure === undefined) return { ok: true, readings: (reader as ReadReader).readings, report };
  const isNotThere =
    (refusal !== undefined && NOT_THERE.has(refusal.status) && failure.code !== 'ERR_MODEL_INVALID_ID') ||
    (refusal === undefined && NO_ENDPOINT.test(failure.message));
  if (!isNotThere) return { ok: false, failure, report };
  const message = `the server does not have POST ${READ_PATHS[call.form]}: ${failure.message}`;
  return { ok: false, failure: new PlannerError('ERR_METHOD_UNKNOWN', message), report };
}

/** Reads the one JSON body that answers a read. */
class ReadReader implements AnswerReader {
  readings: readonly Reading[] = [];
  model: string | undefined;
  usage: TokenUsage = {};
  readonly chunks = 0;
  readonly phase: CallPhase = 'first-token';
  ended = false;
  readonly #ports: ReaderPorts;
  readonly #call: ReadCall;
  readonly #bytes: AnswerBytes;
  #isSettled = false;

  constructor(ports: ReaderPorts, call: ReadCall) {
    this.#ports = ports;
    this.#call = call;
    this.#bytes = new AnswerBytes({
      isEventStream: false,
      streamBytesMax: 0,
      bodyBytesMax: BODY_BYTES_MAX,
      onEvent: () => {},
    });
  }

  onData(chunk: Buffer): void {
    if (this.#isSettled || this.#bytes.push(chunk)) return;
    this.#settle(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound of ${BODY_BYTES_MAX} bytes`));
    this.#ports.stop();
  }

  onEnd(): void {
    this.ended = true;
    this.#ports.onEnded();
    if (this.#isSettled) return;
    try {
      this.#take(this.#bytes.end() ?? '');
      this.#settle();
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      this.#settle(error);
    }
  }

  onError(error: Error): void {
    this.ended = true;
    this.#ports.onEnded();
    this.#settle(new PlannerError('ERR_MODEL_RESET', 'the connection ended mid-answer', { cause: error }));
  }

  endWhole(): boolean {
    return this.#isSettled;
  }

  #take(text: string): void {
    const read = readJson(text);
    if ('rule' in read) throw new PlannerError('ERR_MODEL_MALFORMED', `the answer ${read.rule}`);
    const { model, usage, error } = (read.value ?? {}) as ReadBodyMembers;
    if (error !== undefined && error !== null && error !== false && error !== '')
      throw serverFailure(200, errorText(error));
    if (typeof model === 'string') this.model = model;
    this.usage = { ...usageOf(read.value as object | null), ...cachedOf(usage) };
    this.readings = readReadings(this.#call, read.value);
  }

  #settle(failure?: PlannerError): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#ports.onSettled(failure);
  }
}

interface ReadBodyMembers {
  readonly model?: unknown;
  readonly error?: unknown;
  readonly usage?: {
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
    readonly input_tokens_details?: { readonly cached_tokens?: unknown } | null;
  } | null;
}

function cachedOf(usage: ReadBodyMembers['usage']): Pick<TokenUsage, 'cachedTokens'> {
  const cached = (usage?.prompt_tokens_details ?? usage?.input_tokens_details)?.cached_tokens;
  return Number.isSafeInteger(cached) && (cached as number) >= 0 ? { cachedTokens: cached as number } : {};
}
