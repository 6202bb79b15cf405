import { defined } from '../../../shared/defined.ts';
import type { ErrorCode, ErrorWire } from '../../../shared/errors.ts';
import type { CallPhase } from '../../../shared/model-client/failures.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { Vote } from '../../../shared/vote/vote-parser.ts';
import type { PhaseReader } from '../../../shared/vote-answer.ts';
import { type Attempt, type LastSeen, takesBackChoice } from './attempt.ts';

/** The subject of an attempt: what is known when it starts. */
export type AttemptSubject = Pick<Attempt, 'step' | 'role' | 'model' | 'endpoint'>;

/** An action that is read with a lower probability than this was not chosen. */
export const VOTE_MIN = 0.05;

/** How an attempt ended, independent of the plan that reads it. */
type Ending = Omit<Attempt, keyof AttemptSubject | 'startMs' | 'waitMs' | 'form' | 'trimmed'>;

interface LoggedAttempt {
  subject: AttemptSubject;
  readonly startedAtMs: number;
  calledAtMs: number | undefined;
  /** The choice in the answer, as far as it was written. */
  chosen: string | undefined;
  /** How the model is asked; undefined until its call begins. */
  form: Attempt['form'];
  trimmed: string | undefined;
  /** Whether the model turned out not to support this form: then it does not count as an attempt. */
  isNone: boolean;
  /** Reads the phase of its call; undefined while unknown. */
  phaseOf: PhaseReader | undefined;
  ending: Ending | undefined;
}

/**
 * The attempts of one flight, in the order of their start; a snapshot may be taken at any moment. The plans that share the flight
 * started at different times, so each passes its own start.
 */
export class AttemptLog {
  readonly #attempts: LoggedAttempt[] = [];
  /** Called as each attempt ends, with a function that returns the attempt relative to the start of a plan. */
  onEnded: (attemptFrom: (originMs: number) => Attempt) => void = () => {};

  /** Opens an attempt; the result closes it. Closing twice keeps the first end. */
  begin(subject: AttemptSubject, nowMs: number): AttemptEnd {
    const attempt: LoggedAttempt = {
      subject,
      startedAtMs: nowMs,
      calledAtMs: undefined,
      chosen: undefined,
      form: undefined,
      trimmed: undefined,
      isNone: false,
      phaseOf: undefined,
      ending: undefined,
    };
    this.#attempts.push(attempt);
    return new AttemptEnd(attempt, () => {
      this.onEnded((originMs) => toldFrom(attempt, attempt.ending as Ending, originMs));
    });
  }

  /** All attempts as they are now; running ones have the code ERR_PLAN_SETTLED. `originMs` is the start of the plan that reads them. */
  snapshot(nowMs: number, originMs: number): Attempt[] {
    return this.#attempts
      .filter(({ isNone }) => !isNone)
      .map((attempt) => {
        const latencyMs = Math.max(0, nowMs - attempt.startedAtMs);
        const running = (): Ending => ({
          code: 'ERR_PLAN_SETTLED',
          lastSeen: lastSeenOf(attempt),
          latencyMs,
          ...chosenBy(attempt),
        });
        return toldFrom(attempt, attempt.ending ?? running(), originMs);
      });
  }

  /** The attempts that have ended. */
  ended(originMs: number): Attempt[] {
    return this.#attempts.flatMap((attempt) => (attempt.ending ? [toldFrom(attempt, attempt.ending, originMs)] : []));
  }
}

function chosenBy({ chosen }: LoggedAttempt): Pick<Ending, 'action'> {
  return defined({ action: chosen });
}

/** The `lastSeen` of an attempt, by the phase that its call is in, or was in when it ended. */
const SEEN_IN: Readonly<Record<CallPhase, LastSeen>> = {
  connect: 'called',
  headers: 'sent',
  'first-token': 'headers',
  stream: 'token',
};

const BEGUN: ReadonlySet<LastSeen> = new Set(['token', 'choice']);

/** The phases that timeouts name. */
const PHASE_OF_TIMEOUT: Readonly<Partial<Record<ErrorCode, CallPhase>>> = {
  ERR_MODEL_TIMEOUT_CONNECT: 'connect',
  ERR_MODEL_TIMEOUT_HEADERS: 'headers',
  ERR_MODEL_TIMEOUT_FIRST_TOKEN: 'first-token',
  ERR_MODEL_TIMEOUT_STREAM: 'stream',
};

function lastSeenOf({ calledAtMs, chosen, phaseOf }: LoggedAttempt, ended?: CallPhase): LastSeen {
  if (calledAtMs === undefined) return 'queued';
  return chosen === undefined ? SEEN_IN[ended ?? phaseOf?.() ?? 'connect'] : 'choice';
}

/** The phase in which a call was cut; undefined if unknown. */
function endedIn(code: ErrorCode, report: CallReport | undefined): CallPhase | undefined {
  if (report?.firstTokenMs !== undefined) return 'stream';
  return PHASE_OF_TIMEOUT[code] ?? (report?.queueMs === undefined ? undefined : 'first-token');
}

function isCut(code: ErrorCode): boolean {
  return code === 'ERR_PLAN_SETTLED' || code === 'ERR_CANCELLED' || PHASE_OF_TIMEOUT[code] !== undefined;
}

function toldFrom(attempt: LoggedAttempt, ending: Ending, originMs: number): Attempt {
  const { subject, startedAtMs, calledAtMs, form, trimmed } = attempt;
  return {
    ...subject,
    ...defined({ form, trimmed }),
    startMs: startedAtMs - originMs,
    // An attempt that was never called has only waited.
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

  /** It has a slot, and its call to this model starts. */
  called(nowMs: number, subject: AttemptSubject = this.#attempt.subject): void {
    this.#attempt.calledAtMs = nowMs;
    this.#attempt.subject = subject;
  }

  /** Time since its call started, in milliseconds. */
  calledMs(nowMs: number): number {
    return nowMs - (this.#attempt.calledAtMs ?? nowMs);
  }

  /** Whether no token of its answer has arrived. */
  get isSilent(): boolean {
    return !BEGUN.has(lastSeenOf(this.#attempt));
  }

  /** The model does not support this form: the attempt is not reported. */
  wasNone(): void {
    this.#attempt.isNone = true;
  }

  /** Records the form in which the model is asked, and the role if it is known only now. */
  asked(form: Attempt['form'], role?: string): void {
    this.#attempt.form = form;
    if (role !== undefined) this.#attempt.subject = { ...this.#attempt.subject, role };
  }

  /** Records what was left out of its prompt. */
  trimmed(what: string | undefined): void {
    this.#attempt.trimmed = what;
  }

  /** Its call was sent; `phaseOf` reads how far it has come. */
  sent(phaseOf: PhaseReader): void {
    this.#attempt.phaseOf = phaseOf;
  }

  /** The current choice in its answer; undefined if it was withdrawn. */
  chose(action: string | undefined): void {
    this.#attempt.chosen = action;
  }

  voted(vote: Vote, report: CallReport, nowMs: number): void {
    this.#close({ code: 'OK', latencyMs: this.#latencyAt(nowMs), ...this.#told(report), action: vote.action });
  }

  /** Records the result of a read. An action with hardly any probability is not a vote. */
  read({ action, confidence = 0 }: Vote, report: CallReport, nowMs: number): void {
    const voted = confidence < VOTE_MIN ? {} : { action };
    const read = { confidence: Math.round(confidence * 1e4) / 1e4, ...voted };
    this.#close({ code: 'OK', latencyMs: this.#latencyAt(nowMs), ...this.#told(report), ...read });
  }

  failed(error: ErrorWire, report: CallReport | undefined, nowMs: number): void {
    const { code, message } = error;
    const chosen = takesBackChoice(code) ? {} : chosenBy(this.#attempt);
    const seen = isCut(code) ? { lastSeen: lastSeenOf(this.#attempt, endedIn(code, report)) } : {};
    const told = report === undefined ? {} : this.#told(report);
    this.#close({ code, message, ...seen, latencyMs: this.#latencyAt(nowMs), ...told, ...chosen });
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
    requests,
    promptTokens,
    completionTokens,
    estimated,
    modelAnswered,
  }: CallReport): Partial<Ending> {
    const isOther = modelAnswered !== undefined && modelAnswered !== this.#attempt.subject.model;
    return {
      ...defined({ queueMs, firstTokenMs, requests, promptTokens, completionTokens, estimated }),
      ...(isOther ? { modelAnswered } : {}),
    };
  }
}
