import type { Clock } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { asPlannerError, PlannerError } from '../../../shared/errors.ts';
import type { PassEnd, PassRelay } from '../../../shared/model-client/pass-relay.ts';
import type { ReadOutcome } from '../../../shared/reads/reading.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import { readJson } from '../../../shared/untrusted-json.ts';
import { wellFormedJson } from '../../../shared/well-formed.ts';
import { readManner } from '../../models/forms/read-forms.ts';
import type { ChatSeat } from '../seats/chat-route.ts';
import type { CallOpening, RelayClient } from '../seats/seat-caller.ts';
import type { DecisionCall } from './decision-calls.ts';
import { optionNames, questionChat } from './question-chat.ts';
import type { DecisionForm, DecisionUsage, Option, Question, QuestionAnswer, Questionnaire } from './questionnaire.ts';
import { readOptions } from './read-options.ts';

interface DecisionTask {
  readonly form: DecisionForm;
  readonly questionnaire: Questionnaire;
  readonly seat: ChatSeat;
  readonly onBytes: (bytes: Buffer) => void;
}

/**
 * Answers a questionnaire from a chat server: each question is one chat of one token after the same state, one after the other in the slot of the
 * call. Undefined if the client cannot read.
 */
export function startDecision(clock: Clock, opening: CallOpening, task: DecisionTask): PassRelay | undefined {
  if (opening.client.read === undefined) return undefined;
  // Reads are too short to be paused.
  return { ended: new Decision(clock, opening, task).run(), pause: () => {}, resume: () => {} };
}

/**
 * Asks all questions at once through the server's call for the other protocol, and converts its answer. Undefined if the client passes nothing on.
 */
export function startTranslated(
  { client, limits, signal }: CallOpening,
  { form, questionnaire, seat, onBytes }: DecisionTask,
  call: DecisionCall,
): PassRelay | undefined {
  const pieces: Buffer[] = [];
  const listener = { onBytes: (bytes: Buffer) => void pieces.push(bytes), onLife: () => {}, onId: () => {} };
  const body = Buffer.from(wellFormedJson(call.write(seat.model, questionnaire)));
  const path = `/${call.route}`;
  const asked = { path, body, isStreamed: false, isSingle: true, refersToState: false, ...limits, listener };
  const relay = client.pass?.(asked, signal);
  const translate = (end: PassEnd): PassEnd => {
    if (end.failure !== undefined) return end;
    try {
      const read = readJson(Buffer.concat(pieces).toString('utf8'));
      const answers = call.read('value' in read ? read.value : undefined, questionnaire.questions);
      onBytes(Buffer.from(JSON.stringify(form.answer(seat.model, answers, usageOfReport(end.report)))));
      return end;
    } catch (error) {
      return { ...end, failure: asPlannerError(error) };
    }
  };
  return relay && { ...relay, ended: relay.ended.then(translate) };
}

function usageOfReport({ promptTokens = 0, cachedTokens = 0, completionTokens = 0 }: CallReport): DecisionUsage {
  return { inputTokens: promptTokens, cachedTokens, outputTokens: completionTokens };
}

type Read = NonNullable<RelayClient['read']>;

/** Thrown when a read fails: the whole decision then fails with its outcome. */
class ReadFailed extends Error {
  readonly outcome: Extract<ReadOutcome, { ok: false }>;

  constructor(outcome: Extract<ReadOutcome, { ok: false }>) {
    super(outcome.failure.message);
    this.outcome = outcome;
  }
}

class Decision {
  readonly #clock: Clock;
  readonly #opening: CallOpening;
  readonly #task: DecisionTask;
  readonly #startedAtMs: number;
  #usage: DecisionUsage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

  /** Number of tokens asked for: 2 once the model has written a blank first. */
  #tokensMax = 1;

  constructor(clock: Clock, opening: CallOpening, task: DecisionTask) {
    this.#clock = clock;
    this.#opening = opening;
    this.#task = task;
    this.#startedAtMs = clock.now();
  }

  async run(): Promise<PassEnd> {
    try {
      this.#tell(await this.#answers());
      return { isInAnswer: false, report: this.#report() };
    } catch (thrown) {
      const { failure, refusal } =
        thrown instanceof ReadFailed ? thrown.outcome : { failure: asPlannerError(thrown), refusal: undefined };
      return { failure: asUnreadable(failure), ...defined({ refusal }), isInAnswer: false, report: this.#report() };
    }
  }

  async #answers(): Promise<QuestionAnswer[]> {
    const answers: QuestionAnswer[] = [];
    for (const question of this.#task.questionnaire.questions) {
      const probabilities = await readOptions(question.options, (options) => this.#ask(question, options));
      answers.push({ question, probabilities });
    }
    return answers;
  }

  async #ask(question: Question, options: readonly Option[]): Promise<readonly number[]> {
    const { client, limits, onLife, signal } = this.#opening;
    const { seat, questionnaire } = this.#task;
    const call = {
      form: 'logprobs' as const,
      model: seat.model,
      messages: questionChat(questionnaire.state, question, options),
      roles: [question.name ?? ''],
      actions: optionNames(question, options),
      ...readManner(seat.at.facts.kind),
    };
    const read = (): Promise<ReadOutcome> => {
      const timeoutMs = Math.max(1, this.#startedAtMs + limits.timeoutMs - this.#clock.now());
      return (client.read as Read).call(client, { ...call, tokensMax: this.#tokensMax, timeoutMs }, signal);
    };
    let outcome = await read();
    this.#count(outcome.report);
    if (outcome.report.startsBlank === true) {
      this.#tokensMax = 2;
      outcome = await read();
      this.#count(outcome.report);
    }
    if (!outcome.ok) throw new ReadFailed(outcome);
    onLife();
    return outcome.readings[0]?.probabilities ?? [];
  }

  #count({ promptTokens = 0, cachedTokens = 0, completionTokens = 1 }: CallReport): void {
    const { inputTokens, outputTokens, cachedTokens: cached } = this.#usage;
    this.#usage = {
      inputTokens: inputTokens + promptTokens,
      cachedTokens: cached + cachedTokens,
      outputTokens: outputTokens + completionTokens,
    };
  }

  #tell(answers: readonly QuestionAnswer[]): void {
    const { form, seat, onBytes } = this.#task;
    onBytes(Buffer.from(JSON.stringify(form.answer(seat.model, answers, this.#usage))));
  }

  #report(): CallReport {
    const { inputTokens, cachedTokens, outputTokens } = this.#usage;
    const totalMs = this.#clock.now() - this.#startedAtMs;
    return { totalMs, promptTokens: inputTokens, completionTokens: outputTokens, cachedTokens };
  }
}

/** A server without log probabilities is healthy: it only cannot be read. */
function asUnreadable(failure: PlannerError): PlannerError {
  if (failure.code !== 'ERR_MODEL_MALFORMED') return failure;
  const message = `the server has no call for decisions, and its model cannot be read: ${failure.message}`;
  return new PlannerError('ERR_MODEL_REJECTED', message, { cause: failure });
}
