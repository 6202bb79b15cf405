import type { Clock, Timer } from '../../../shared/clock.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { ExpertVote } from '../../synthesis/tally.ts';
import { type QuorumSettings, type Verdict, verdictOf } from './quorum.ts';

/**
 * The experts of one plan, asked until their votes settle it. A staged panel asks as few as a quorum may need, one more for
 * each vote that does not help or does not come, and one more whenever those it waits for are slow and there is room. It
 * never cancels: who is still asked when it is settled is the flight's to cancel.
 */
export interface PanelJob {
  readonly request: PlanRequest;
  /** In the order in which they are asked. */
  readonly members: readonly ResolvedExpert[];
  readonly quorum: QuorumSettings;
  /** Whether it begins with as few as may do; otherwise all are asked at once. */
  readonly isStaged: boolean;
  /** How many a staged panel begins with; undefined: as many as its quorum may need. */
  readonly atOnce: number | undefined;
  /** After so long, another one is asked beside those that have not answered; undefined: never. */
  readonly patienceMs: number | undefined;
  /** Whether an expert is expected to answer in the time that is left. Those that are not are asked first or never. */
  readonly isTimely: (expert: ResolvedExpert) => boolean;
  /** Whether there is room for one that may not be needed. */
  readonly hasRoom: () => boolean;
  /** Where the first one reads the prompt for the others: at most so long do these wait for it. */
  readonly primeMs: number | undefined;
  readonly ask: (expert: ResolvedExpert, onFirstToken: (() => void) | undefined) => Promise<ExpertResult>;
}

export class Panel {
  readonly votes: ExpertVote[] = [];
  readonly #clock: Clock;
  readonly #job: PanelJob;
  readonly #open = new Set<ResolvedExpert>();
  readonly #done = Promise.withResolvers<void>();
  #next = 0;
  #asked = 0;
  #patience: Timer | undefined;
  #prime: Timer | undefined;
  #isOver = false;
  /** Called after each vote, also of those that come when it is settled or given up. */
  onVote: () => void = () => {};

  constructor(clock: Clock, job: PanelJob) {
    this.#clock = clock;
    this.#job = job;
  }

  /** Resolves when its votes have settled it, or when no further vote can come. Rejects with a bug. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Experts that are asked and have not answered. */
  get open(): number {
    return this.#open.size;
  }

  get openExperts(): readonly ResolvedExpert[] {
    return [...this.#open];
  }

  get verdict(): Verdict {
    const { members, quorum, request } = this.#job;
    const pending = [...this.#open, ...members.slice(this.#next)].map((expert) => quorum.weightOf(expert));
    return verdictOf(this.votes, pending, request, quorum);
  }

  begin(): void {
    const { primeMs, members } = this.#job;
    if (primeMs === undefined || members.length < 2) {
      this.#goOn();
      return;
    }
    this.#ask(() => this.#endPrime());
    this.#prime = this.#clock.setTimer(primeMs, () => this.#endPrime());
  }

  /** Nobody further is asked; who is asked may still vote. */
  stopAsking(): void {
    this.#next = this.#job.members.length;
    this.#patience?.cancel();
  }

  /** The same, and it is done. */
  close(): void {
    this.#isOver = true;
    this.#patience?.cancel();
    this.#prime?.cancel();
    this.#done.resolve();
  }

  #endPrime(): void {
    if (this.#prime === undefined) return;
    this.#prime.cancel();
    this.#prime = undefined;
    this.#goOn();
  }

  /** Asks whoever is needed now, or ends. */
  #goOn(): void {
    if (this.#isOver || this.#prime !== undefined) return;
    const { isStaged } = this.#job;
    const { verdict } = this;
    if (verdict.kind === 'settled') return this.close();
    const wanted = isStaged ? this.#wanted(verdict.needed) : Number.POSITIVE_INFINITY;
    while (this.#open.size < wanted && this.#hasNext()) this.#ask();
    if (this.#open.size === 0) this.close();
    else this.#watch();
  }

  #wanted(needed: number): number {
    const { atOnce } = this.#job;
    return this.#asked <= 1 && this.votes.length === 0 && atOnce !== undefined ? atOnce : needed;
  }

  /** Whether there is another one to ask. The first ones are asked whatever is known of them. */
  #hasNext(): boolean {
    const { members, isTimely } = this.#job;
    while (this.#asked > 0 && this.#next < members.length && !isTimely(members[this.#next] as ResolvedExpert))
      this.#next++;
    return this.#next < members.length;
  }

  #ask(onFirstToken?: () => void): void {
    const expert = this.#job.members[this.#next++] as ResolvedExpert;
    this.#asked++;
    this.#open.add(expert);
    this.#job.ask(expert, onFirstToken).then(
      (result) => this.#answered(expert, result),
      (error: unknown) => {
        this.#done.reject(error);
        this.close();
      },
    );
  }

  #answered(expert: ResolvedExpert, result: ExpertResult): void {
    this.#open.delete(expert);
    if (result.ok) {
      this.votes.push({ role: expert.role, model: expert.model, vote: result.vote });
      this.onVote();
    }
    this.#endPrime();
    this.#goOn();
  }

  #watch(): void {
    const { patienceMs, members, hasRoom } = this.#job;
    this.#patience?.cancel();
    this.#patience = undefined;
    if (patienceMs === undefined || this.#next >= members.length) return;
    this.#patience = this.#clock.setTimer(patienceMs, () => {
      if (this.#isOver) return;
      if (hasRoom() && this.#hasNext()) this.#ask();
      this.#watch();
    });
  }
}
