import type { AskingTimes } from '../../foresight/asking-times.ts';
import type { GuessKind } from '../../foresight/guess-record.ts';
import { TimeGate } from '../../foresight/time-gate.ts';
import { WorthGate } from '../../foresight/worth-gate.ts';
import type { GuessOutcome } from '../expectations/future.ts';

/**
 * The gates between what is guessed and what models are asked. Time: the answer can be there before the agent asks again. Worth:
 * such guesses come true often enough for what their calls cost. Share: the calls for guesses that nobody asked for take at most a
 * share of the time that models work. What a gate holds back is counted, and judged all the same, so that a gate can open again.
 */

/** How many requests ahead are foreseen: the nearest for which there is time. */
export const HORIZONS = [1, 2, 4] as const;
/** At most the time of this many answers is saved up for guesses that nobody asks for. */
const SAVED_MAX = 8;
/** After this many decisions in a row whose guesses were all held back, foresight reports why. */
const SILENT_MIN = 100;

const GATES = ['time', 'worth', 'share'] as const;
type Gate = (typeof GATES)[number];
export type HeldBack = Record<Gate, number>;

export const NONE_HELD_BACK: Readonly<HeldBack> = { time: 0, worth: 0, share: 0 };

const WHY: Readonly<Record<Gate, string>> = {
  time: 'agents ask again before an answer could be there',
  worth: 'too few guesses come true in time for what they cost',
  share: 'guesses that nobody asked for have used up their share of model time',
};

export interface GateTimes {
  /** How long an answer usually takes, with its wait. */
  readonly answerMs: number;
  /** The chance that other agents need the slot before then. */
  readonly askedChance: number;
}

/** Model time that guesses may waste, of all domains together. */
export interface ShareCredit {
  ms: number;
  /** The work of the servers that has been credited. */
  seenMs: number;
}

export class GuessGates {
  /** Decisions whose guesses were all held back, by gate. */
  readonly heldBack: HeldBack = { ...NONE_HELD_BACK };
  readonly #time: TimeGate;
  readonly #worth = new WorthGate();
  readonly #share: number;
  /** Busy slots times milliseconds since the start, at all model servers. */
  readonly #workedMs: () => number;
  readonly #credit: ShareCredit;
  /** The same, since something was last let through. */
  #silence: HeldBack = { ...NONE_HELD_BACK };

  constructor(times: AskingTimes, share: number, workedMs: () => number, credit: ShareCredit = { ms: 0, seenMs: 0 }) {
    this.#time = new TimeGate(times);
    this.#share = share;
    this.#workedMs = workedMs;
    this.#credit = credit;
    credit.seenMs = workedMs();
  }

  /** What most often held guesses back, if nothing has been let through for a while; null if something has. */
  get whySilent(): string | null {
    const [first, ...others] = GATES;
    if (GATES.reduce((sum, gate) => sum + this.#silence[gate], 0) < SILENT_MIN) return null;
    return WHY[others.reduce<Gate>((most, gate) => (this.#silence[gate] > this.#silence[most] ? gate : most), first)];
  }

  /** Returns how many requests ahead there is time to ask. Undefined if there never is. */
  horizon(agent: string, scene: string, answerMs: number): number | undefined {
    const horizon = this.#time.horizon(agent, scene, 0, answerMs, HORIZONS);
    if (horizon === undefined) this.#hold('time');
    return horizon;
  }

  /** Returns the guesses that are worth their calls; of those that are not, now and then the best one. */
  passing<G extends { readonly kind: GuessKind }>(guesses: readonly G[], times: GateTimes): readonly G[] {
    const { answerMs, askedChance } = times;
    const stakes = { savedMs: answerMs, callMs: answerMs, askedChance, heldMs: answerMs };
    const worth = guesses.filter(({ kind }) => this.#worth.opens(kind, stakes));
    if (worth.length === 0) {
      if (guesses.length > 0) this.#hold('worth');
      return guesses.length > 0 && this.#worth.tries() ? guesses.slice(0, 1) : [];
    }
    if (!this.#hasCredit(answerMs)) {
      this.#hold('share');
      return [];
    }
    this.#silence = { ...NONE_HELD_BACK };
    return worth;
  }

  /** A guess that was held back proves right, in time, or not. */
  judged(kind: GuessKind, wasRight: boolean): void {
    this.#worth.judged(kind, wasRight);
  }

  /** A guess that was let through has ended. */
  ended(kind: GuessKind, outcome: GuessOutcome, spentMs: number): void {
    const isWaste = outcome === 'wrong' || outcome === 'withheld' || outcome === 'dropped';
    if (isWaste) this.#credit.ms -= spentMs;
    // Otherwise nothing was asked, or to the end.
    if (outcome !== 'dropped' && outcome !== 'known') this.#worth.judged(kind, outcome === 'used');
  }

  #hasCredit(answerMs: number): boolean {
    const workedMs = this.#workedMs();
    const creditMs = this.#credit.ms + this.#share * (workedMs - this.#credit.seenMs);
    this.#credit.ms = Math.min(SAVED_MAX * answerMs, creditMs);
    this.#credit.seenMs = workedMs;
    return this.#credit.ms > 0;
  }

  #hold(gate: Gate): void {
    this.heldBack[gate]++;
    this.#silence[gate]++;
  }
}
