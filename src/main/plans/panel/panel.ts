import type { Clock, Timer } from '../../../shared/clock.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ExpertListeners } from '../../models/pool/expert-pool.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { Ballot } from './ballot.ts';
import type { QuorumState } from './quorum.ts';

/**
 * The experts of one plan, asked until their votes settle it. A staged panel asks as few as a quorum may need, one more for
 * each vote that does not help or does not come, and one more whenever those it waits for are slow and there is room. A
 * choice that stands is a vote; settled by choices alone, it waits a little for a reason. It never cancels: who is still
 * asked when it is settled is the flight's to cancel.
 */
export interface PanelJob {
  /** What the experts vote in. */
  readonly ballot: Ballot;
  readonly asker: PanelAsker;
  /** In the order in which they are asked. */
  readonly members: readonly ResolvedExpert[];
  /** Whether it begins with as few as may do; otherwise all are asked at once. */
  readonly isStaged: boolean;
  /** How many a staged panel begins with; undefined: as many as its quorum may need. */
  readonly atOnce: number | undefined;
  /** After so long, another one is asked beside those that have not answered; undefined: never. */
  readonly patienceMs: number | undefined;
  /** Whether that is a guess: then a server that has sent nothing may still read, and one more prompt would only slow it. */
  readonly isPatienceGuessed: boolean;
  /** Where the first one reads the prompt for the others: at most so long do these wait for it. */
  readonly primeMs: number | undefined;
  /** Settled by choices alone, it waits so long for a reason. */
  readonly reasonMs: number;
}

/** Asks experts for a panel, and knows what can be expected of them now. */
export interface PanelAsker {
  /** Whether there is room for an expert that may not be needed. */
  readonly hasRoom: boolean;
  /** Whether an expert is expected to answer in the time that is left. Those that are not are asked first or never. */
  isTimely(expert: ResolvedExpert): boolean;
  /** The expert as it is asked now. */
  seated(expert: ResolvedExpert): ResolvedExpert;
  ask(expert: ResolvedExpert, listeners: ExpertListeners): Promise<ExpertResult>;
}

export class Panel {
  readonly #clock: Clock;
  readonly #job: PanelJob;
  readonly #ballot: Ballot;
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

  constructor(clock: Clock, job: PanelJob) {
    this.#clock = clock;
    this.#job = job;
    this.#ballot = job.ballot;
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
    return this.#ballot.verdict([...this.#undecided(), ...this.#job.members.slice(this.#next)]);
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
    return this.#asked <= 1 && this.#ballot.standing.length === 0 && atOnce !== undefined ? atOnce : needed;
  }

  /** Ends, or waits for a reason where only choices speak for the action and one of their answers goes on. */
  #settle(action: string): void {
    const hasReason = this.#ballot.votes.some(({ vote }) => vote.action === action);
    const isComing = [...this.#open].some((expert) => this.#ballot.choices.of(expert) === action);
    if (hasReason || !isComing) return this.close();
    this.#patience?.cancel();
    this.#reason ??= this.#clock.setTimer(this.#job.reasonMs, () => {
      this.close();
      this.#ballot.onVote();
    });
  }

  /** Who is asked and has not chosen. */
  #undecided(): ResolvedExpert[] {
    return [...this.#open].filter((expert) => this.#ballot.choices.of(expert) === undefined);
  }

  /** Whether there is another one to ask. The first ones are asked whatever is known of them. */
  #hasNext(): boolean {
    const { members, asker } = this.#job;
    while (this.#asked > 0 && this.#next < members.length && !asker.isTimely(members[this.#next] as ResolvedExpert))
      this.#next++;
    return this.#next < members.length;
  }

  #ask(listeners: ExpertListeners = this.#beginnings()): void {
    const expert = this.#job.asker.seated(this.#job.members[this.#next++] as ResolvedExpert);
    this.#asked++;
    this.#open.add(expert);
    this.#job.asker.ask(expert, { ...listeners, onChoice: (action) => this.#chose(expert, action) }).then(
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
    this.#ballot.choices.chose(expert, action);
    this.#goOn();
    if (this.#isOver) this.#ballot.onVote();
  }

  #answered(expert: ResolvedExpert, result: ExpertResult): void {
    this.#open.delete(expert);
    this.#hasBegun = true;
    this.#ballot.choices.ended(expert, result);
    if (result.ok) {
      this.#ballot.votes.push({ role: expert.role, model: result.model ?? expert.model, vote: result.vote });
      this.#ballot.onVote();
    }
    this.#endPrime();
    this.#goOn();
  }

  #watch(): void {
    const { patienceMs, members, asker } = this.#job;
    this.#patience?.cancel();
    this.#patience = undefined;
    if (patienceMs === undefined || this.#next >= members.length) return;
    this.#patience = this.#clock.setTimer(patienceMs, () => {
      if (this.#isOver) return;
      if (this.#canHelp() && asker.hasRoom && this.#hasNext()) this.#ask();
      this.#watch();
    });
  }
}
