import type { Clock } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { Refusal } from '../../../shared/model-client/answer-reader.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { ChatSeat } from './chat-route.ts';
import type { ChatCallEnd } from './seat-caller.ts';

/** One try of a chat, and how it ended. */
export type ChatAttempt = Omit<Attempt, 'step' | 'role' | 'action'>;

/** Why there is no answer. */
export interface TriedInVain {
  readonly kind: 'failed';
  readonly error: PlannerError;
  readonly refusal?: Refusal;
}

/** The seats that were tried for one request, and how each try ended. */
export class Tries {
  readonly attempts: ChatAttempt[] = [];
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #failures: ChatCallEnd[] = [];

  constructor(clock: Clock, startedAtMs: number) {
    this.#clock = clock;
    this.#startedAtMs = startedAtMs;
  }

  /** Records that a seat was skipped because it rests. */
  passedOver({ at, model }: ChatSeat): void {
    const failure = new PlannerError(
      'ERR_ENDPOINT_RESTING',
      'it has failed too often lately and is not asked for a while',
    );
    const startMs = this.#clock.now() - this.#startedAtMs;
    const { code, message } = failure;
    this.attempts.push({ endpoint: at.name, model, code, message, startMs, waitMs: 0, latencyMs: 0 });
    this.#failures.push({ failure, waitMs: 0 });
  }

  /** Records a try. */
  note({ at, model }: ChatSeat, { failure, report, waitMs }: ChatCallEnd, begunAtMs: number, isEmpty: boolean): void {
    const { queueMs, firstTokenMs, promptTokens, completionTokens, estimated, modelAnswered } = report ?? {};
    this.attempts.push({
      endpoint: at.name,
      model,
      code: failure?.code ?? (isEmpty ? 'ERR_MODEL_EMPTY' : 'OK'),
      ...defined({ message: failure?.message }),
      startMs: begunAtMs - this.#startedAtMs,
      waitMs,
      latencyMs: this.#clock.now() - begunAtMs,
      ...defined({ queueMs, firstTokenMs, promptTokens, completionTokens, estimated }),
      ...(modelAnswered === undefined || modelAnswered === model ? {} : { modelAnswered }),
    });
  }

  failed(end: ChatCallEnd): void {
    this.#failures.push(end);
  }

  /** The error for the client. `isTold`: its answer had begun, so the last failure counts. */
  inVain(isTold: boolean): TriedInVain {
    const refused = this.#failures.find(
      ({ refusal, failure }) => failure?.code === 'ERR_MODEL_REJECTED' && refusal !== undefined,
    );
    const last = this.#failures.at(-1);
    const { failure, refusal } = (isTold ? last : (refused ?? this.#failures.findLast(isOfCall) ?? last)) ?? {};
    const tried = this.attempts.map(({ endpoint, model, code }) => `${model} at ${endpoint}: ${code}`).join(', ');
    if (failure === undefined) {
      const message = `no time was left to ask a model${tried && ` (${tried})`}`;
      return { kind: 'failed', error: new PlannerError('ERR_ENDPOINT_BUSY', message) };
    }
    const message = this.attempts.length > 1 ? `${failure.message} (tried: ${tried})` : failure.message;
    const error = new PlannerError(failure.code, message, { retryable: failure.retryable, cause: failure });
    return { kind: 'failed', error, ...defined({ refusal }) };
  }
}

/** True if a model was actually called. */
function isOfCall({ report }: ChatCallEnd): boolean {
  return report !== undefined;
}

/** Statuses with which servers refuse a request; some report it as a fault of their own. */
const MAY_REFUSE: ReadonlySet<number> = new Set([400, 422, 500, 501]);
const OF_REQUEST: ReadonlySet<number> = new Set([400, 413, 422]);

/** True if the server refuses the request itself: any other would too, and the client needs its words. */
export function isOfRequest({ failure, refusal }: ChatCallEnd, { isFallback }: ChatSeat): boolean {
  const isRefused = failure?.code === 'ERR_MODEL_REJECTED' || failure?.code === 'ERR_MODEL_SCHEMA';
  return isRefused && !isFallback && OF_REQUEST.has(refusal?.status ?? 0);
}

const STREAM = /\bstream(?:s|ed|ing)?\b/i;
const DENIAL = /\b(?:not|cannot|no|unsupported|disabled|without|only|must|incompatible|invalid)\b|n't\b/i;
const CHARS_READ = 4_000;

/** True if the server refuses to stream this answer, by its words or the name of the member: it may answer in one piece. */
export function refusesStream({ failure, refusal }: ChatCallEnd): boolean {
  if (failure === undefined || refusal === undefined || !MAY_REFUSE.has(refusal.status)) return false;
  if ((refusal.error as { param?: unknown } | undefined)?.param === 'stream') return true;
  const words = failure.message.slice(0, CHARS_READ);
  return STREAM.test(words) && DENIAL.test(words);
}
