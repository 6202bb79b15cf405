import { defined } from '../../../../shared/defined.ts';
import { indexOfBest, pooled } from '../../../../shared/reads/reading.ts';
import { type Situation, situationFor } from '../../../../shared/situation.ts';
import type { CallReport, CallTerms, ExpertResult, ReadTerms } from '../../../../shared/tasks.ts';
import type { AttemptSubject } from '../../../models/calls/attempt-log.ts';
import type { QueryListeners } from '../../../models/calls/call-maker.ts';
import type { ResolvedExpert } from '../../../options/planner-options.ts';
import type { FlightParts } from '../../flights/flight-parts.ts';
import { readerKey } from '../label-priors.ts';
import type { Reads } from '../reads.ts';
import type { ReadInHand } from './read-query.ts';

export interface SeatReaderParts {
  readonly planId: number;
  readonly parts: FlightParts;
  readonly reads: Reads;
  /** The expert whose terms apply. */
  readonly expert: ResolvedExpert;
  readonly subject: AttemptSubject;
  readonly terms: CallTerms;
  readonly signal: AbortSignal;
  readonly listeners: QueryListeners;
}

/** One request. */
export interface SeatAsk {
  readonly situation: Situation;
  readonly read: ReadTerms;
  readonly timeoutMs: number;
  /** Default: that of the whole read. */
  readonly signal?: AbortSignal;
}

/** Reads a model at one endpoint. The reports of all requests add up to that of one call. */
export class SeatReader {
  readonly #given: SeatReaderParts;
  /** Of the requests that started at once, in turn. */
  readonly #reports: CallReport[][] = [];

  constructor(given: SeatReaderParts) {
    this.#given = given;
  }

  /** Makes requests, all at once, and returns how long they took, in milliseconds. `onAnswer` is called with each result when it is there. */
  async ask(asks: readonly SeatAsk[], onAnswer: (result: ExpertResult, index: number) => void): Promise<number> {
    const { clock } = this.#given.parts;
    const reports: CallReport[] = [];
    this.#reports.push(reports);
    const sentAtMs = clock.now();
    const answers = asks.map(async (ask, index) => onAnswer(await this.#request(ask, reports), index));
    await Promise.all(answers);
    return clock.now() - sentAtMs;
  }

  /** The readings have a probability for each action of the situation: 0 if the prompt had no room for it. */
  async #request({ situation, read, timeoutMs, ...ask }: SeatAsk, reports: CallReport[]): Promise<ExpertResult> {
    const { planId, parts, expert, subject, terms, listeners } = this.#given;
    const { signal = this.#given.signal } = ask;
    const { options, pool, prompts } = parts;
    const { endpoint, model } = subject;
    const seat = { endpoint, model };
    const { maxTokens, temperature, role } = expert;
    const shown = situationFor(options.domain, situation, false);
    const begins = prompts.preambles.read(seat, read.form, read.roles);
    const fit = prompts.fitted(seat, shown, begins, read.roles, read.roles.length);
    listeners.onTrimmed(fit.trimmed);
    const asked = { kind: 'expert', planId, role, ...seat, maxTokens, temperature, thinks: false } as const;
    const { preamble, situation: fitting } = fit;
    const task = { ...asked, preamble, ...terms, timeoutMs, situation: fitting, read };
    const answered = await pool.run(task, signal, { onSent: listeners.onSent });
    reports.push(answered.report);
    prompts.ended(seat, fit, answered);
    return ofAll(this.#freed(answered, read, fitting.actions), fitting.actions, situation.actions);
  }

  /** The result without the preference of the model for some labels. */
  #freed(result: ExpertResult, { form, turn }: ReadTerms, actions: readonly string[]): ExpertResult {
    if (!result.ok || result.readings === undefined) return result;
    const { reads, subject } = this.#given;
    const key = readerKey(subject, form, actions);
    return { ...result, readings: reads.labels.without(key, `${turn} ${actions.length}`, result.readings) };
  }

  /** The result of all requests: the readings that count, and what all of them cost. */
  whole({ actions, readings }: ReadInHand): ExpertResult {
    const probabilities = pooled(readings);
    const best = indexOfBest(probabilities);
    const vote = { action: actions[best] as string, confidence: probabilities[best] as number, reason: '' };
    return { ok: true, vote, readings, report: sumOf(this.#reports) };
  }
}

function ofAll(result: ExpertResult, asked: readonly string[], actions: readonly string[]): ExpertResult {
  if (!result.ok || result.readings === undefined || asked.length === actions.length) return result;
  const places = new Map(asked.map((action, place) => [action, place]));
  const readings = result.readings.map(({ role, probabilities }) => ({
    role,
    probabilities: actions.map((action) => probabilities[places.get(action) ?? -1] ?? 0),
  }));
  return { ...result, readings };
}

/** What requests cost together; those that were made at once take as long as the longest. The first answer is what a server is known by: later ones are shorter. */
function sumOf(batches: readonly (readonly CallReport[])[]): CallReport {
  const reports: readonly CallReport[] = batches.flat();
  const [first, ...others] = reports as readonly [CallReport, ...CallReport[]];
  if (others.length === 0) return first;
  const total = (member: 'promptTokens' | 'completionTokens' | 'cachedTokens' | 'promptChars'): number | undefined =>
    first[member] === undefined ? undefined : reports.reduce((sum, report) => sum + (report[member] ?? 0), 0);
  return {
    ...first,
    requests: reports.length,
    firstTokenMs: first.firstTokenMs ?? first.totalMs,
    totalMs: batches.reduce((sum, batch) => sum + Math.max(...batch.map(({ totalMs }) => totalMs)), 0),
    ...defined({
      promptTokens: total('promptTokens'),
      completionTokens: total('completionTokens'),
      cachedTokens: total('cachedTokens'),
      promptChars: total('promptChars'),
    }),
  };
}
