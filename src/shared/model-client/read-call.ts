import type { OpenAI } from 'openai';
import type { Clock } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import { readReadings, startsBlank } from '../reads/read-answer.ts';
import { READ_PATHS, readBody } from '../reads/read-body.ts';
import type { ReadCall, Reading, ReadOutcome } from '../reads/reading.ts';
import { readJson } from '../untrusted-json.ts';
import { AnswerReader, type ReaderPorts } from './answer-reader.ts';
import { CallAttempt } from './call-attempt.ts';
import type { TokenUsage } from './chat-event.ts';
import { errorText, serverFailure } from './failures.ts';
import { usageOf } from './pass-event.ts';
import { lacksRoute, missingRoute } from './pass-relay.ts';

/** Maximum size of a body: a whole vocabulary with its log probabilities. */
const BODY_BYTES_MAX = 32_000_000;

/**
 * Asks a model once for the probabilities of actions. Never rejects. ERR_METHOD_UNKNOWN: the server does not have this form.
 * ERR_MODEL_REJECTED: it refuses this request. ERR_MODEL_MALFORMED: its answer has no probabilities, or impossible ones.
 */
export async function makeRead(
  sdk: OpenAI,
  clock: Clock,
  call: ReadCall,
  signal: AbortSignal | undefined,
): Promise<ReadOutcome> {
  const attempt = new CallAttempt(
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
  if (failure === undefined) {
    const isBlank = reader?.startsBlank ? { startsBlank: true } : {};
    return { ok: true, readings: reader?.readings ?? [], report: { ...report, ...isBlank } };
  }
  const isNotThere = lacksRoute(failure, refusal);
  const told = isNotThere ? missingRoute(READ_PATHS[call.form], failure) : failure;
  return { ok: false, failure: told, ...defined({ refusal }), report };
}

/** Reads the one JSON body that answers a read. */
class ReadReader extends AnswerReader {
  readings: readonly Reading[] = [];
  startsBlank = false;
  model: string | undefined;
  usage: TokenUsage = {};
  readonly #call: ReadCall;

  constructor(ports: ReaderPorts, call: ReadCall) {
    super({ ...ports, isEventStream: false }, { streamBytesMax: 0, bodyBytesMax: BODY_BYTES_MAX });
    this.#call = call;
  }

  protected onEvent(): void {}

  protected readBody(isEnded: boolean): void {
    if (!isEnded) return;
    this.report(() => this.#take(this.bytes.text));
    this.settle();
  }

  /** An empty body has no probabilities, like any other that does not answer a read. */
  protected override emptyFailure(): PlannerError {
    return new PlannerError('ERR_MODEL_MALFORMED', 'the response has no body');
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
    this.startsBlank = startsBlank(this.#call, read.value);
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
