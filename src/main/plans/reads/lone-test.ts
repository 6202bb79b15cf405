import { restoredNumber, savedNumber } from './bins.ts';

/** What lone reads are worth, as far as there is evidence. */
export const LONE_WORTHS = ['unknown', 'better', 'worse'] as const;
export type LoneWorth = (typeof LONE_WORTHS)[number];

/** Of the votes that agree with only one of the two, a read that is better than the rung below has this share; a worse one has the rest. */
const BETTER_SHARE = 0.65;
const STEP = Math.log(BETTER_SHARE / (1 - BETTER_SHARE));
/** Agreement beyond chance of reads that are as good as noise, and of reads that are not. */
const NOISE = 0.05;
const NO_NOISE = 0.4;
/** Evidence that decides, as the logarithm of odds: wrong for at most one of twenty models. */
const DECISIVE = Math.log(20);
/** Evidence never exceeds this, so that a model that changes is noticed. */
const EVIDENCE_MAX = 1.5 * DECISIVE;

export interface SavedLone {
  readonly rung: number;
  readonly noise: number;
  readonly verdict: LoneWorth;
}

/** Votes of experts for the state of a read, and what they agree with. */
export interface LoneAgreement {
  readonly votes: number;
  /** Share of the votes that agree with the read. */
  readonly read: number;
  /** Share of the votes that agree with what would be done without a model. */
  readonly below: number;
  /** Number of actions that were offered. */
  readonly actions: number;
}

/**
 * Whether reads of a model are better than no model, which is all they have to be where nobody can write in time. Two sequential tests
 * (Wald 1945) hold a read against the votes of experts for the same state. One compares it with the rung below, which is mostly the action of the
 * highest Q-value, on the votes that agree with only one of the two. The other compares it with chance, because without Q-values the rung
 * below is as bad as noise. Reads are worse if either says so, and better if both do. Noise is recognized after about a dozen votes. A verdict
 * stands until the evidence for it is used up.
 */
export class LoneTest {
  #rung = 0;
  #noise = 0;
  #verdict: LoneWorth = 'unknown';

  get verdict(): LoneWorth {
    return this.#verdict;
  }

  add({ votes, read, below, actions }: LoneAgreement): void {
    this.#rung = within(this.#rung + STEP * (read - below));
    if (actions > 1) this.#noise = within(this.#noise + votes * evidenceAgainstNoise(read, 1 / actions));
    this.#verdict = this.#judge();
  }

  save(): SavedLone {
    return { rung: savedNumber(this.#rung), noise: savedNumber(this.#noise), verdict: this.#verdict };
  }

  /** The verdict stands, with half of the evidence. */
  restore({ rung, noise, verdict }: SavedLone): void {
    this.#rung = restoredNumber(rung);
    this.#noise = restoredNumber(noise);
    this.#verdict = verdict;
  }

  #judge(): LoneWorth {
    const least = Math.min(this.#rung, this.#noise);
    if (least >= DECISIVE) return 'better';
    if (least <= -DECISIVE) return 'worse';
    const isUsedUp = this.#verdict === 'better' ? least <= 0 : least >= 0;
    return isUsedUp ? 'unknown' : this.#verdict;
  }
}

/** Of one vote: how much likelier its agreement is if reads are no noise. */
function evidenceAgainstNoise(agreed: number, chance: number): number {
  const noise = chance + NOISE * (1 - chance);
  const noNoise = chance + NO_NOISE * (1 - chance);
  return agreed * Math.log(noNoise / noise) + (1 - agreed) * Math.log((1 - noNoise) / (1 - noise));
}

function within(evidence: number): number {
  return Math.min(EVIDENCE_MAX, Math.max(-EVIDENCE_MAX, evidence));
}
