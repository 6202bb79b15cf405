import type { ErrorWire } from '../../shared/errors.ts';
import type { CallReport } from '../../shared/tasks.ts';
import type { Vote } from '../../shared/vote/vote-parser.ts';
import type { Attempt, AttemptStep } from '../plan.ts';

/** The subject of an attempt: what is known when it starts. */
export interface AttemptSubject {
  readonly step: AttemptStep;
  readonly role?: string;
  readonly model: string;
  readonly endpoint: string;
}

interface OpenAttempt {
  readonly subject: AttemptSubject;
  readonly startedAtMs: number;
  ended: Attempt | undefined;
}

/** The attempts of one flight, in the order of their start; a snapshot may be taken at any moment. */
export class AttemptLog {
  readonly #attempts: OpenAttempt[] = [];

  /** Opens an attempt; the result closes it. Closing twice keeps the first end. */
  begin(subject: AttemptSubject, nowMs: number): AttemptEnd {
    const open: OpenAttempt = { subject, startedAtMs: nowMs, ended: undefined };
    this.#attempts.push(open);
    return new AttemptEnd(
      (end) => {
        open.ended ??= { ...subject, ...end };
      },
      subject.model,
      nowMs,
    );
  }

  snapshot(nowMs: number): Attempt[] {
    return this.#attempts.map(
      ({ subject, startedAtMs, ended }) =>
        ended ?? { ...subject, code: 'ERR_PLAN_SETTLED', latencyMs: Math.max(0, nowMs - startedAtMs) },
    );
  }
}

type AttemptEnding = Omit<Attempt, keyof AttemptSubject>;

export class AttemptEnd {
  readonly #close: (end: AttemptEnding) => void;
  readonly #model: string;
  readonly #startedAtMs: number;

  constructor(close: (end: AttemptEnding) => void, model: string, startedAtMs: number) {
    this.#close = close;
    this.#model = model;
    this.#startedAtMs = startedAtMs;
  }

  voted(vote: Vote, report: CallReport, nowMs: number): void {
    this.#close({ code: 'OK', latencyMs: nowMs - this.#startedAtMs, ...this.#told(report), action: vote.action });
  }

  failed(error: ErrorWire, report: CallReport | undefined, nowMs: number): void {
    const latencyMs = nowMs - this.#startedAtMs;
    this.#close({ code: error.code, message: error.message, latencyMs, ...(report ? this.#told(report) : {}) });
  }

  #told({ firstTokenMs, modelAnswered }: CallReport): { firstTokenMs?: number; modelAnswered?: string } {
    const isOther = modelAnswered !== undefined && modelAnswered !== this.#model;
    return {
      ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
      ...(isOther ? { modelAnswered } : {}),
    };
  }
}
