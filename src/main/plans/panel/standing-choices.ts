import type { ExpertResult } from '../../../shared/tasks.ts';
import { takesBackChoice } from '../../models/calls/attempt.ts';
import type { Voice } from './quorum.ts';
import type { ExpertVote } from './tally.ts';

/**
 * The current choices in answers that have not ended: votes with an action and nothing else. The whole answer replaces its
 * choice. A call that fails instead (cut, reset, timeout) leaves its choice, since nothing contradicted it; an answer that ended
 * without a vote does contradict it.
 */
export class StandingChoices<V extends Voice> {
  readonly #byVoice = new Map<V, ExpertVote>();
  readonly #counted = new Set<V>();

  get votes(): ExpertVote[] {
    return [...this.#byVoice.values()];
  }

  of(voice: V): string | undefined {
    return this.#byVoice.get(voice)?.vote.action;
  }

  /** Records a choice; `action` is undefined if it was withdrawn. */
  chose(voice: V, action: string | undefined): void {
    const { role, model } = voice;
    if (action === undefined) this.#byVoice.delete(voice);
    else this.#byVoice.set(voice, { role, model, vote: { action, reason: '' }, isUnfinished: true });
  }

  ended(voice: V, result: ExpertResult): void {
    if (result.ok || takesBackChoice(result.error.code)) this.#byVoice.delete(voice);
  }

  /** Number of choices that count now and have not been counted before. */
  count(): number {
    const before = this.#counted.size;
    for (const voice of this.#byVoice.keys()) this.#counted.add(voice);
    return this.#counted.size - before;
  }
}
