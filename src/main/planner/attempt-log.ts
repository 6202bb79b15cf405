import type { ErrorWire } from '../../shared/errors.ts';
import type { CallReport } from '../../shared/tasks.ts';
import type { Vote } from '../../shared/vote/vote-parser.ts';
import type { Attempt, AttemptStep } from '../plan.ts';
import { takesBackChoice } from './panel/standing-choices.ts';

/** The subject of an attempt: what is known when it starts. */
export interface AttemptSubject {
  readonly step: AttemptStep;
  readonly role?: string;
  readonly model: string;
  readonly endpoint: string;
}

/** What an attempt came to, whichever plan looks at it. */
type Ending = Omit<Attempt, keyof AttemptSubject | 'startMs' | 'waitMs'>;

interface LoggedAttempt {
  readonly subject: AttemptSubject;
  readonly startedAtMs: number;
  calledAtMs: number | undefined;
  /** What its answer had chosen, as far as it was written. */
  chosen: string | undefined;
  ending: Ending | undefined;
}

/**
 * The attempts of one flight, in the order of their start; a snapshot may be taken at any moment. The plans that share the
 * flight began at different times, so each asks with its own start.
 */
export class AttemptLog {
  readonly #attempts: LoggedAttempt[] = [];
  /** Called as each attempt ends, with how it looks from the start of a plan. */
  onEnded: (attemptFrom: (originMs: number) => Attempt) => void = () => {};

  /** Opens an attempt; the result closes it. Closing twice keeps the first end. */
  begin(subject: AttemptSubject, nowMs: number): AttemptEnd {
    const attempt: LoggedAttempt = {
      subject,
      startedAtMs: nowMs,
      calledAtMs: undefined,
      chosen: undefined,
      ending: undefined,
    };
    this.#attempts.push(attempt);
    return new AttemptEnd(attempt, () => {
      this.onEnded((originMs) => toldFrom(attempt, attempt.ending as Ending, originMs));
    });
  }

  /** As they stand now; those that still run as ERR_PLAN_SETTLED. `originMs` is the start of the plan that looks. */
  snapshot(nowMs: number, originMs: number): Attempt[] {
    return this.#attempts.map((attempt) => {
      const latencyMs = Math.max(0, nowMs - attempt.startedAtMs);
      const running: Ending = { code: 'ERR_PLAN_SETTLED', latencyMs, ...chosenBy(attempt) };
      return toldFrom(attempt, attempt.ending ?? running, originMs);
    });
  }

  /** Those that have ended. */
  ended(originMs: number): Attempt[] {
    return this.#attempts.flatMap((attempt) => (attempt.ending ? [toldFrom(attempt, attempt.ending, originMs)] : []));
  }
}

function chosenBy({ chosen }: LoggedAttempt): Pick<Ending, 'action'> {
  return chosen === undefined ? {} : { action: chosen };
}

function toldFrom({ subject, startedAtMs, calledAtMs }: LoggedAttempt, ending: Ending, originMs: number): Attempt {
  return {
    ...subject,
    startMs: startedAtMs - originMs,
    // One that was never called has done nothing but wait.
    waitMs: calledAtMs === undefined ? ending.latencyMs : calledAtMs - startedAtMs,
    ...ending,
  };
}

export class AttemptEnd {
  readonly #attempt: LoggedAttempt;
  readonly #onEnded: () => void;

  constructor(attempt: LoggedAttempt, onEnded: () => void) {
    this.#attempt = attempt;
    this.#onEnded = onEnded;
  }

  /** It has a slot, and its call begins. */
  called(nowMs: number): void {
    this.#attempt.calledAtMs = nowMs;
  }

  /** The choice of its answer that stands now; undefined where it was withdrawn. */
  chose(action: string | undefined): void {
    this.#attempt.chosen = action;
  }

  voted(vote: Vote, report: CallReport, nowMs: number): void {
    this.#close({ code: 'OK', latencyMs: this.#latencyAt(nowMs), ...this.#told(report), action: vote.action });
  }

  failed(error: ErrorWire, report: CallReport | undefined, nowMs: number): void {
    const { code, message } = error;
    const chosen = takesBackChoice(code) ? {} : chosenBy(this.#attempt);
    this.#close({ code, message, latencyMs: this.#latencyAt(nowMs), ...(report ? this.#told(report) : {}), ...chosen });
  }

  #latencyAt(nowMs: number): number {
    return nowMs - this.#attempt.startedAtMs;
  }

  #close(ending: Ending): void {
    if (this.#attempt.ending !== undefined) return;
    this.#attempt.ending = ending;
    this.#onEnded();
  }

  #told({
    queueMs,
    firstTokenMs,
    promptTokens,
    completionTokens,
    estimated,
    modelAnswered,
  }: CallReport): Partial<Ending> {
    const isOther = modelAnswered !== undefined && modelAnswered !== this.#attempt.subject.model;
    return {
      ...(queueMs === undefined ? {} : { queueMs }),
      ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
      ...(promptTokens === undefined ? {} : { promptTokens }),
      ...(completionTokens === undefined ? {} : { completionTokens }),
      ...(estimated === undefined ? {} : { estimated }),
      ...(isOther ? { modelAnswered } : {}),
    };
  }
}
