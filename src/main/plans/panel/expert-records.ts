import type { Voice } from './quorum.ts';
import type { ExpertVote } from './tally.ts';
import { VoteAgreement } from './vote-agreement.ts';

/**
 * How often each expert voted for what was finally decided, and the weight of its vote relative to the others (weighted majority:
 * Littlestone and Warmuth 1994; here by recent shares, so that a model that got worse loses weight). An expert that gives no vote
 * is not judged by it: there is nothing to compare.
 */
interface ExpertRecord {
  share: number;
  seen: number;
}

/** Share of an expert that is not known yet. */
const SHARE_AT_FIRST = 0.7;
/** Weight of that share, in plans. */
const SEEN_AT_FIRST = 10;
/** Maximum number of plans that count, the latest ones. */
const SEEN_MAX = 200;
/** With fewer votes, nothing is reported about a model. */
const SEEN_MIN = 20;
const WEIGHT_MIN = 0.5;
const WEIGHT_MAX = 1.5;
const EXPERTS_MAX = 256;

export class ExpertRecords {
  /** How often experts agree with each other. */
  readonly agreement = new VoteAgreement();
  readonly #records = new Map<string, ExpertRecord>();
  /** Weights given by the user, by expert and by role. */
  readonly #given: ReadonlyMap<string, number>;

  constructor(experts: readonly (Voice & { readonly weight: number })[] = []) {
    // A role that is asked of another model than its own keeps its weight.
    const byRole = experts.toReversed().map((expert) => [expert.role, expert.weight] as const);
    this.#given = new Map([...byRole, ...experts.map((expert) => [keyOf(expert), expert.weight] as const)]);
  }

  /** The weight that the user gave an expert. */
  givenWeightOf(expert: Voice): number {
    return this.#given.get(keyOf(expert)) ?? this.#given.get(expert.role) ?? 1;
  }

  /** Records the votes of a plan that was decided for `action`. An expert alone agrees with itself, which shows nothing. */
  decided(votes: readonly ExpertVote[], action: string): void {
    if (new Set(votes.map(keyOf)).size < 2) return;
    this.agreement.heard(votes);
    for (const expert of votes) {
      const record = this.#of(expert);
      record.seen = Math.min(SEEN_MAX, record.seen + 1);
      record.share += ((expert.vote.action === action ? 1 : 0) - record.share) / record.seen;
    }
  }

  /** The expert's share relative to the mean of all experts, from 0.5 to 1.5. */
  weightOf(expert: Voice): number {
    const record = this.#records.get(keyOf(expert));
    if (record === undefined) return 1;
    let total = 0;
    for (const { share } of this.#records.values()) total += share;
    const mean = total / this.#records.size;
    return mean === 0 ? 1 : Math.min(WEIGHT_MAX, Math.max(WEIGHT_MIN, record.share / mean));
  }

  /** How often votes of a model, in any role, were what was decided; undefined while there are few. */
  shareOf(model: string): number | undefined {
    let seen = 0;
    let sum = 0;
    for (const [key, record] of this.#records) {
      if (!key.endsWith(`\n${model}`)) continue;
      const own = record.seen - SEEN_AT_FIRST;
      seen += own;
      sum += own * record.share;
    }
    return seen < SEEN_MIN ? undefined : sum / seen;
  }

  #of(expert: Voice): ExpertRecord {
    const key = keyOf(expert);
    let record = this.#records.get(key);
    if (record === undefined) {
      if (this.#records.size >= EXPERTS_MAX) this.#records.clear();
      record = { share: SHARE_AT_FIRST, seen: SEEN_AT_FIRST };
      this.#records.set(key, record);
    }
    return record;
  }
}

function keyOf({ role, model }: Voice): string {
  return `${role}\n${model}`;
}
