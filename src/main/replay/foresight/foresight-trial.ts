import type { AskingTimes } from '../../foresight/asking-times.ts';
import type { ExperienceGuess } from '../../foresight/foreseer.ts';
import type { GuessKind } from '../../foresight/guess-record.ts';
import { OpenGuesses } from '../../foresight/open-guesses.ts';
import { SlotPrice } from '../../foresight/slot-price.ts';
import { TimeGate } from '../../foresight/time-gate.ts';
import { WorthGate } from '../../foresight/worth-gate.ts';
import { share } from '../../measure/shares.ts';

/** A guess with the fingerprint of its state in place of the state: very many are held. */
export interface KeyedGuess {
  readonly guess: Omit<ExperienceGuess, 'observation' | 'actions'>;
  readonly key: string;
}

/** A decision after which models could be asked ahead. */
interface TrialDecision {
  readonly agent: string;
  readonly scene: string;
  readonly atMs: number;
  /** By horizon. */
  readonly guesses: ReadonlyMap<number, readonly KeyedGuess[]>;
}

/** What the gates would have done with a model of one speed; shares of all decisions. */
export interface TrialOutcome {
  readonly modelMs: number;
  /** Calls for the future. */
  readonly calls: number;
  /** Those whose answer nobody ever asked for. */
  readonly extraCalls: number;
  /** Share of all requests that needed a model and found its answer ready. */
  readonly ready: number;
}

/** A guess to be judged when the agent's request at its horizon comes. */
interface Open extends KeyedGuess {
  readonly kind: GuessKind;
  readonly atMs: number;
}

const AGENTS_MAX = 10_000;
/** Maximum number of states that are asked ahead; a use of later ones is not seen. */
const STATES_MAX = 1_000_000;

/** Lets the gates decide over a trace, for one model that answers after a fixed time in a slot of its own. */
export class ForesightTrial {
  readonly #modelMs: number;
  readonly #time: TimeGate;
  readonly #horizons: readonly number[];
  readonly #freshMs: number;
  readonly #worth = new WorthGate();
  readonly #price = new SlotPrice();
  readonly #open = new OpenGuesses<Open>(AGENTS_MAX);
  /** Since when the answers of states that were asked ahead are ready. */
  readonly #readyAtMs = new Map<string, number>();
  #requests = 0;
  #decisions = 0;
  #calls = 0;
  #used = 0;
  #ready = 0;

  /** `freshMs`: how long an answer is kept. */
  constructor(modelMs: number, times: AskingTimes, horizons: readonly number[], freshMs = Number.POSITIVE_INFINITY) {
    this.#freshMs = freshMs;
    this.#modelMs = modelMs;
    this.#time = new TimeGate(times);
    this.#horizons = horizons;
  }

  /** Takes in a request. One whose state is known needs no model. */
  asked(agent: string, key: string, needsModel: boolean, atMs: number): void {
    this.#requests++;
    this.#judge(agent, key, atMs);
    const readyAtMs = this.#readyAtMs.get(key);
    if (!needsModel) return;
    if (readyAtMs === undefined || !this.#isFresh(readyAtMs, atMs)) return this.#price.asked(atMs);
    this.#used++;
    if (readyAtMs <= atMs) this.#ready++;
  }

  /** Asks for the guesses that the gates let through. `isKnown` says whether a state needs no model. */
  decided({ agent, scene, atMs, guesses }: TrialDecision, isKnown: (key: string) => boolean): void {
    this.#decisions++;
    const horizon = this.#time.horizon(agent, scene, 0, this.#modelMs, this.#horizons);
    if (horizon === undefined) return;
    const open = (guesses.get(horizon) ?? [])
      .filter(({ key }) => !isKnown(key) && !this.#isAsked(key, atMs))
      .map((keyed) => ({ ...keyed, kind: { ...keyed.guess, scene }, atMs }));
    const worth = open.filter(({ kind }) => this.#opens(kind));
    const [best] = open;
    const asked = worth.length > 0 ? worth : best !== undefined && this.#worth.tries() ? [best] : [];
    if (this.#readyAtMs.size < STATES_MAX) for (const { key } of asked) this.#readyAtMs.set(key, atMs + this.#modelMs);
    this.#calls += asked.length;
    this.#open.set(agent, horizon, open);
  }

  outcome(): TrialOutcome {
    return {
      modelMs: this.#modelMs,
      calls: share(this.#calls, this.#decisions),
      extraCalls: share(this.#calls - this.#used, this.#decisions),
      ready: share(this.#ready, this.#requests),
    };
  }

  /** Whether a model was asked about a state, and its answer is still kept. */
  #isAsked(key: string, atMs: number): boolean {
    const readyAtMs = this.#readyAtMs.get(key);
    return readyAtMs !== undefined && this.#isFresh(readyAtMs, atMs);
  }

  #isFresh(readyAtMs: number, atMs: number): boolean {
    return atMs - readyAtMs < this.#freshMs;
  }

  #opens(kind: GuessKind): boolean {
    const callMs = this.#modelMs;
    const askedChance = this.#price.chanceWithin(callMs);
    // What an aborted call holds is known to a planner, and not to a trace: at worst, all that it would have taken.
    return this.#worth.opens(kind, { savedMs: callMs, callMs, askedChance, heldMs: callMs });
  }

  /** Judges the guesses about this request. */
  #judge(agent: string, key: string, atMs: number): void {
    const isInTime = (from: number): boolean => atMs - from >= this.#modelMs;
    for (const guess of this.#open.came(agent)) {
      this.#worth.judged(guess.kind, guess.key === key && isInTime(guess.atMs));
    }
  }
}
