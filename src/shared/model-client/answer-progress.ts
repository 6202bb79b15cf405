import { PlannerError } from '../errors.ts';
import {
  type ChunkEvent,
  choicesOf,
  eventFailure,
  finishReasonOf,
  statusOf,
  type TokenUsage,
  usageAfter,
  wordsOf,
} from './chat-event.ts';
import { serverFailure } from './failures.ts';

/**
 * Progress of an answer: its model, its tokens, and which of its choices have ended. An answer that ends without a choice is a
 * failure, in the server's words if it sent any.
 */
export class AnswerProgress {
  model: string | undefined;
  usage: TokenUsage = {};
  readonly #choices: number;
  readonly #isConstrained: boolean;
  readonly #finished = new Set<unknown>();
  #hasChoice = false;
  #failure: PlannerError | undefined;

  /** `choices` is the number of answers asked for; `isConstrained` is whether a schema was. */
  constructor(choices: number, isConstrained: boolean) {
    this.#choices = choices;
    this.#isConstrained = isConstrained;
  }

  /** Whether every choice has a finish reason. */
  get isFinished(): boolean {
    return this.#finished.size >= this.#choices;
  }

  /** Takes a parsed event. Returns a failure if the event reports one, which ends the answer. */
  take(said: unknown, name?: string): PlannerError | undefined {
    const failure = eventFailure(said, this.#isConstrained, name);
    if (failure !== undefined) return failure;
    const event = said as ChunkEvent;
    if (typeof event.model === 'string' && event.model !== '') this.model = event.model;
    this.usage = usageAfter(this.usage, event);
    for (const choice of choicesOf(event)) {
      this.#hasChoice = true;
      if (finishReasonOf(choice) !== undefined) this.#finished.add(choice.index ?? 0);
    }
    const words = wordsOf(event);
    if (words !== undefined) this.#failure = serverFailure(statusOf(event), words, this.#isConstrained);
    return undefined;
  }

  /** The failure of a stream that ended without an answer; undefined if it is whole. */
  endFailure(): PlannerError | undefined {
    if (!this.isFinished && this.#failure !== undefined) return this.#failure;
    return this.#hasChoice ? undefined : new PlannerError('ERR_MODEL_EMPTY', 'the answer holds no choice');
  }

  /** The failure of an answer that was cut short: what the server said, or that it was cut. */
  cutFailure(message: string, cause?: Error): PlannerError {
    return this.#failure ?? new PlannerError('ERR_MODEL_RESET', message, { cause });
  }

  /** The failure of a body without an answer; undefined if it is whole. */
  bodyFailure({ choices }: ChunkEvent): PlannerError | undefined {
    if (Array.isArray(choices) || this.#failure !== undefined) return this.endFailure();
    return new PlannerError('ERR_MODEL_MALFORMED', 'the response has no choices');
  }
}
