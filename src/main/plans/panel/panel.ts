import type { Clock, Timer } from '../../../shared/clock.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ExpertListeners } from '../../models/pool/expert-pool.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { Ballot } from './ballot.ts';
import type { QuorumState } from './quorum.ts';

/**
 * The experts of one plan, asked until their votes settle it. A staged panel asks as few as a quorum may need, one more for each
 * vote that does not help or does not arrive, and one more whenever pending experts are slow and there is room. A current choice
 * is a vote; if settled by choices alone, the panel waits briefly for a reason. It never cancels calls: the flight cancels those
 * that are still open when it is settled.
 */
export interface PanelJob {
  /** Collects the votes. */
  readonly ballot: Ballot;
  readonly asker: PanelAsker;
  /** The experts, in the order in which they are asked. */
  readonly members: readonly ResolvedExpert[];
  /** Whether it starts with as few as may be enough; otherwise all are asked at once. */
  readonly isStaged: boolean;
  /** Number of experts that a staged panel starts with; undefined: as many as its quorum may need. */
  readonly atOnce: number | undefined;
  /** Time after which another expert is asked in addition to those that have not answered; undefined: never. */
  readonly patienceMs: number | undefined;
  /** Whether the patience is a guess: then a silent server may still be reading, and one more prompt would only slow it. */
  readonly isPatienceGuessed: boolean;
  /** Maximum wait for the first expert to read the prompt that the others share; undefined: no wait. */
  readonly primeMs: number | undefined;
  /** How long a panel settled by choices alone waits for a reason. */
  readonly reasonMs: number;
  /** An action that needs no reason, because it was served and is only checked: choices that settle it end the panel at once. */
  readonly known?: string | undefined;
}

/** Asks experts for a panel, and knows what to expect of them now. */
export interface PanelAsker {
  /** Whether there is room for an expert that may not be needed. */
  readonly hasRoom: boolean;
  /** Whether an expert is expected to answer in the remaining time. Others are asked first or never. */
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
  /** Whether any of them has started to answer, or has ended. */
  #hasBegun = false;

  constructor(clock: Clock, job: PanelJob) {
    this.#clock = clock;
    this.#job = job;
    this.#ballot = job.ballot;
  }

  /** Resolves when votes have settled the panel, or when no further vote can come. Rejects on a bug. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Number of experts that are asked and have not answered. */
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

  /** No further experts are asked; open calls may still vote. */
  stopAsking(): void {
    this.#next = this.#job.members.length;
    this.#patience?.cancel();
  }

  /** Stops asking, and ends the panel. */
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

  /** Asks the experts that are needed now, or ends. */
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

  /** Ends, or waits for a reason if only choices support the action and one of their answers continues. */
  #settle(action: string): void {
    const hasReason = this.#ballot.votes.some(({ vote }) => vote.action === action);
    const isComing = [...this.#open].some((expert) => this.#ballot.choices.of(expert) === action);
    if (hasReason || !isComing || action === this.#job.known) return this.close();
    this.#patience?.cancel();
    this.#reason ??= this.#clock.setTimer(this.#job.reasonMs, () => {
      this.close();
      this.#ballot.onVote();
    });
  }

  /** Experts that are asked and have not chosen. */
  #undecided(): ResolvedExpert[] {
    return [...this.#open].filter((expert) => this.#ballot.choices.of(expert) === undefined);
  }

  /** Whether there is another expert to ask. The first ones are asked regardless of what is known about them. */
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

  /** Whether one more can help: for a server that still reads, only one that is asked elsewhere. */
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
