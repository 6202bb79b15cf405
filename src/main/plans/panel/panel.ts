import type { Clock, Timer } from '../../../shared/clock.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ExpertListeners } from '../../models/pool/expert-pool.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import { type QuorumSettings, type QuorumState, verdictOf } from './quorum.ts';
import { StandingChoices } from './standing-choices.ts';
import type { ExpertVote } from './tally.ts';

/**
 * The experts of one plan, asked until their votes settle it. A staged panel asks as few as a quorum may need, one more for
 * each vote that does not help or does not come, and one more whenever those it waits for are slow and there is room. A
 * choice that stands is a vote; settled by choices alone, it waits a little for a reason. It never cancels: who is still
 * asked when it is settled is the flight's to cancel.
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
  /** Whether that is a guess: then a server that has sent nothing may still read, and one more prompt would only slow it. */
  readonly isPatienceGuessed: boolean;
  /** Whether an expert is expected to answer in the time that is left. Those that are not are asked first or never. */
  readonly isTimely: (expert: ResolvedExpert) => boolean;
  /** The expert as it is asked now. */
  readonly seated: (expert: ResolvedExpert) => ResolvedExpert;
  /** Whether there is room for one that may not be needed. */
  readonly hasRoom: () => boolean;
  /** Where the first one reads the prompt for the others: at most so long do these wait for it. */
  readonly primeMs: number | undefined;
  /** Settled by choices alone, it waits so long for a reason. */
  readonly reasonMs: number;
  readonly ask: (expert: ResolvedExpert, listeners: ExpertListeners) => Promise<ExpertResult>;
}

export class Panel {
  /** Of answers that have ended. */
  readonly votes: ExpertVote[] = [];
  /** Of those that have not. */
  readonly choices = new StandingChoices<ResolvedExpert>();
  readonly #clock: Clock;
  readonly #job: PanelJob;
  readonly #open = new Set<ResolvedExpert>();
  readonly #done = Promise.withResolvers<void>();
  #next = 0;
  #asked = 0;
  #patience: Timer | undefined;
  #prime: Timer | undefined;
  #reason: Timer | undefined;
  #isOver = false;
  /** Whether any of them has begun to answer, or has ended. */
  #hasBegun = false;
  /** Called after each vote, also of those that come when it is settled or given up, and where choices have settled it. */
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

  get verdict(): QuorumState {
    const { members, quorum, request } = this.#job;
    const pending = [...this.#undecided(), ...members.slice(this.#next)].map((expert) => quorum.weightOf(expert));
    return verdictOf(this.standing, pending, request, quorum);
  }

  /** All votes that count now. */
  get standing(): readonly ExpertVote[] {
    return [...this.votes, ...this.choices.votes];
  }

  begin(): void {
    const { primeMs, members } = this.#job;
    if (primeMs === undefined || members.length < 2) {
      this.#goOn();
      return;
    }
    this.#ask({
      onFirstToken: () => {
        this.#hasBegun = true;
        this.#endPrime();
      },
    });
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
    this.#reason?.cancel();
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
    if (verdict.kind === 'settled') return this.#settle(verdict.action);
    this.#reason?.cancel();
    this.#reason = undefined;
    const wanted = isStaged ? this.#wanted(verdict.needed) : Number.POSITIVE_INFINITY;
    while (this.#undecided().length < wanted && this.#hasNext()) this.#ask();
    if (this.#open.size === 0) this.close();
    else this.#watch();
  }

  #wanted(needed: number): number {
    const { atOnce } = this.#job;
    return this.#asked <= 1 && this.standing.length === 0 && atOnce !== undefined ? atOnce : needed;
  }

  /** Ends, or waits for a reason where only choices speak for the action and one of their answers goes on. */
  #settle(action: string): void {
    const hasReason = this.votes.some(({ vote }) => vote.action === action);
    const isComing = [...this.#open].some((expert) => this.choices.of(expert) === action);
    if (hasReason || !isComing) return this.close();
    this.#patience?.cancel();
    this.#reason ??= this.#clock.setTimer(this.#job.reasonMs, () => {
      this.close();
      this.onVote();
    });
  }

  /** Who is asked and has not chosen. */
  #undecided(): ResolvedExpert[] {
    return [...this.#open].filter((expert) => this.choices.of(expert) === undefined);
  }

  /** Whether there is another one to ask. The first ones are asked whatever is known of them. */
  #hasNext(): boolean {
    const { members, isTimely } = this.#job;
    while (this.#asked > 0 && this.#next < members.length && !isTimely(members[this.#next] as ResolvedExpert))
      this.#next++;
    return this.#next < members.length;
  }

  #ask(listeners: ExpertListeners = this.#beginnings()): void {
    const expert = this.#job.seated(this.#job.members[this.#next++] as ResolvedExpert);
    this.#asked++;
    this.#open.add(expert);
    this.#job.ask(expert, { ...listeners, onChoice: (action) => this.#chose(expert, action) }).then(
      (result) => this.#answered(expert, result),
      (error: unknown) => {
        this.#done.reject(error);
        this.close();
      },
    );
  }

  #beginnings(): ExpertListeners {
    if (!this.#job.isPatienceGuessed || this.#hasBegun) return {};
    return {
      onFirstToken: () => {
        this.#hasBegun = true;
      },
    };
  }

  /** Whether one more can help: of a server that still reads, only one that is asked elsewhere. */
  #canHelp(): boolean {
    if (!this.#job.isPatienceGuessed || this.#hasBegun) return true;
    const next = this.#job.members[this.#next];
    return next !== undefined && [...this.#open].every(({ endpoint }) => endpoint !== next.endpoint);
  }

  #chose(expert: ResolvedExpert, action: string | undefined): void {
    if (!this.#open.has(expert)) return;
    this.#hasBegun = true;
    this.choices.chose(expert, action);
    this.#goOn();
    if (this.#isOver) this.onVote();
  }

  #answered(expert: ResolvedExpert, result: ExpertResult): void {
    this.#open.delete(expert);
    this.#hasBegun = true;
    this.choices.ended(expert, result);
    if (result.ok) {
      this.votes.push({ role: expert.role, model: result.model ?? expert.model, vote: result.vote });
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
      if (this.#canHelp() && hasRoom() && this.#hasNext()) this.#ask();
      this.#watch();
    });
  }
}
