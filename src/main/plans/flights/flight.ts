import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { AttemptLog } from '../../models/calls/attempt-log.ts';
import type { UsualTimes } from '../../models/time/latency-profile.ts';
import { panelEnd } from '../../models/time/time-budget.ts';
import type { Answer } from '../ladder/best-in-hand.ts';
import { DecisionInHand } from '../ladder/decision-in-hand.ts';
import { SynthesisLadder } from '../ladder/synthesis-ladder.ts';
import type { WhyCode } from '../ladder/why.ts';
import { Ballot } from '../panel/ballot.ts';
import { ExpertCalls } from '../panel/expert-calls.ts';
import { ExpertOutlook } from '../panel/expert-outlook.ts';
import { Panel } from '../panel/panel.ts';
import type { PanelFit } from '../panel/panel-size.ts';
import { VALUES_WEIGHT } from '../panel/quorum.ts';
import { type ExpertVote, tallyVotes } from '../panel/tally.ts';
import { FlightRead } from '../reads/flight-read.ts';
import type { ReadChoice, Reads, ReadUse } from '../reads/reads.ts';
import { FlightCalls } from './flight-calls.ts';
import type { FlightParts, FlightPurpose } from './flight-parts.ts';
import { ShownRequest } from './shown-request.ts';

/** After so long another expert is asked where nothing is known of their times. */
const PATIENCE_MS = 2_000;

/** Where nothing is known of how far reads can be trusted, they weigh so much less than they say. */
const UNCALIBRATED_WEIGHT = 0.7;
/** The voice of a read among those of experts. */
const READ_ROLE = 'first impression';

/** Settled by choices alone, a panel waits for a reason for this share of the plan's time. */
const REASON_SHARE = 0.1;

/**
 * The model work for one state: a panel of experts, then the synthesis ladder where they do not agree. Every plan that
 * waits for the same state shares one flight. A flight never fails: it ends with a decision or without one, and until then
 * its votes and attempts can be read at any moment.
 */
export class Flight {
  readonly #parts: FlightParts;
  readonly #purpose: FlightPurpose;
  readonly #outlook: ExpertOutlook;
  readonly #calls: FlightCalls;
  readonly #ballot: Ballot;
  readonly #inHand: DecisionInHand;
  readonly #ladder: SynthesisLadder;
  readonly #experts: ExpertCalls;
  readonly #read: FlightRead | undefined;
  #panel: Panel | undefined;
  #fit: PanelFit = { members: [], isCrowded: false, atOnce: undefined, isForLater: false };
  /** The time of the panel was over before it was settled. */
  #isPanelLate = false;
  #hasBegun = false;
  #hasConvened = false;
  #isReadUsed = false;
  /** Whether what is written is held against the read, which has no say. */
  #isTrial = false;

  constructor(parts: FlightParts, id: number, request: PlanRequest, deadlineMs: number, purpose: FlightPurpose) {
    const { options, records, reads } = parts;
    const { inVain, lane, state } = purpose;
    const isWeighted = options.features.weightedVotes;
    const shown = new ShownRequest(request, options, inVain);
    this.#parts = parts;
    this.#purpose = purpose;
    this.#outlook = new ExpertOutlook(parts, request, deadlineMs);
    this.#calls = new FlightCalls(parts, request, deadlineMs, purpose, this.#outlook);
    this.#ballot = new Ballot(request, {
      rule: options.quorum,
      weightOf: (voice) => records.givenWeightOf(voice) * (isWeighted ? records.weightOf(voice) : 1),
      valuesWeight: isWeighted ? VALUES_WEIGHT : 0,
      inVain,
    });
    this.#inHand = new DecisionInHand(parts, this.#ballot, this.#calls.startedAtMs);
    this.#experts = new ExpertCalls(id, parts, shown, this.#outlook, this.#calls);
    // What nobody waits for is a second opinion in words.
    if (reads !== undefined && lane !== 'background') {
      const shared = { parts, reads, planId: id, request, inVain, state };
      this.#read = new FlightRead({ ...shared, outlook: this.#outlook, calls: this.#calls });
    }
    this.#ladder = new SynthesisLadder(parts, shown, this.#outlook, this.#calls, this.#ballot, this.#inHand);
  }

  get attempts(): AttemptLog {
    return this.#calls.attempts;
  }

  /** What the models decided, once they did. */
  get decision(): Decision | undefined {
    return this.#inHand.decision;
  }

  /** When its model work must be done: the time at which the plan it began for settles. */
  get deadlineMs(): number {
    return this.#calls.deadlineMs;
  }

  /** The votes that count now, with the choices that stand. */
  get votes(): readonly ExpertVote[] {
    return this.#ballot.standing;
  }

  /** The chance that models would decide the same again, and the probability of each action, where a model was read. */
  confidenceOf(action: string): Pick<Answer, 'confidence' | 'probabilities'> {
    const { choice, probabilities } = this.#read ?? {};
    if (probabilities === undefined) return {};
    const chance = choice?.action === action ? this.#parts.reads?.chanceOf(choice) : undefined;
    const read = Object.hasOwn(probabilities, action) ? (probabilities[action] as number) : 0;
    return { confidence: chance ?? read, probabilities };
  }

  /** The action that has most support so far. */
  get leader(): string | undefined {
    return this.#ballot.leader;
  }

  /** Whether no call of it has been let in yet: all that it has is a place in a queue. */
  get isQueued(): boolean {
    return this.#calls.isQueued;
  }

  /** Whether its turn to begin has come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether a model works on it. */
  get isAtWork(): boolean {
    return this.#calls.isAtWork;
  }

  /** Whether a call of it was given up for somebody else: what the others voted is less than was asked for. */
  get isCutShort(): boolean {
    return this.#calls.isCutShort;
  }

  /**
   * What the choices that stand come to, for a plan that is settled now: an agreement, or the choice of a synthesis. Undefined
   * where votes have to do.
   */
  standing(): Decision | undefined {
    return this.#inHand.standing();
  }

  /** Nobody waits any more: the model servers are told. What was voted so far may still decide. */
  cancel(isOutOfTime = false): void {
    this.#panel?.close();
    this.#calls.cancel(isOutOfTime);
  }

  /**
   * Its deadline has come and nobody waits. True when it goes on behind everyone else, because a model is at work for it: what
   * that says is remembered. Nobody further is asked, and each call gives way to somebody who can make a deadline with its slot.
   */
  goOnLate(): boolean {
    if (!this.#parts.options.keepsLate || !this.isAtWork) return false;
    this.#panel?.stopAsking();
    this.#calls.goOnLate();
    return true;
  }

  /** Why nobody was asked, as far as nobody was; undefined where a bug is the cause. */
  get unasked(): WhyCode | undefined {
    const { experts, synthesis } = this.#parts.options;
    if (experts.length + synthesis.models.length === 0) return 'no-models';
    if (!this.#hasBegun) return 'no-turn';
    if (this.#ladder.isHopeless) return 'too-short';
    return this.#fit.members.length === 0 && experts.length > 0 ? 'no-slot' : undefined;
  }

  /** How long answers of an attempt's model usually take at its endpoint. */
  usual({ role, model, endpoint }: Attempt): UsualTimes {
    const kind = role === undefined ? 'text' : this.#outlook.kindOf({ role });
    return this.#parts.endpoints.get(endpoint)?.profileOf(model, kind).usual ?? {};
  }

  /** The attempts as they stand now, seen from a plan that began at `originMs`. */
  attemptsFor(originMs: number): Attempt[] {
    return this.attempts.snapshot(this.#parts.clock.now(), originMs);
  }

  /** Runs to the end. Never rejects for anything a model, a server or a worker does. */
  async run(): Promise<void> {
    await this.#parts.turns.next();
    this.#hasBegun = true;
    if (this.#calls.signal.aborted) return;
    if (this.#read !== undefined && (await this.#readFirst(this.#read))) return this.#calls.end(false);
    const isOver = this.#calls.isLate || this.#calls.signal.aborted || this.#read?.isLastWord === true;
    const panel = isOver ? undefined : this.#convene();
    const inHand = this.#inHand;
    try {
      if (panel !== undefined) await this.#hear(panel);
      if (this.#calls.signal.aborted) inHand.decideInHand('vote');
      else if (!this.#needsSynthesis()) inHand.decideByVotes(this.#ballot.isAgreed ? 'quorum' : 'vote');
      else if (!(await this.#ladder.climb())) {
        await this.#hearTheRest(panel);
        inHand.decideInHand(inHand.isOvertaken ? 'quorum' : 'vote');
      }
      if (this.decision !== undefined) this.#learn(this.decision);
    } finally {
      panel?.close();
      // Whoever had all of the panel's time has run out of it: a server that is silent must be known as such, though its
      // experts are never waited for to the end.
      this.#calls.end(this.#isPanelLate);
    }
  }

  /** Whether a read decides. Else it is a vote, or has no say. */
  async #readFirst(read: FlightRead): Promise<boolean> {
    const reads = this.#parts.reads as Reads;
    await read.first(() => this.#useRead(read, reads));
    const use = this.#useRead(read, reads);
    if (use !== 'decides') return false;
    reads.decided++;
    this.#inHand.decideByRead(read.choice as ReadChoice);
    return true;
  }

  #useRead({ choice, isCrowded }: FlightRead, reads: Reads): ReadUse | undefined {
    if (choice === undefined || this.#isReadUsed) return undefined;
    const use = reads.useOf(choice, isCrowded);
    if (use === 'decides' && !this.#hasConvened) return use;
    this.#isReadUsed = true;
    this.#isTrial = use === 'trial' && !this.#hasConvened;
    if (this.#isTrial) return use;
    const { action, model, probability } = choice;
    const vote = { action, confidence: probability, reason: '' };
    const readWeight = reads.chanceOf(choice) ?? probability * UNCALIBRATED_WEIGHT;
    this.#ballot.votes.push({ role: READ_ROLE, model, vote, readWeight });
    this.#ballot.onVote();
    return 'votes';
  }

  #learn({ action, source }: Decision): void {
    const written = this.votes.filter(({ readWeight }) => readWeight === undefined);
    this.#parts.records.decided(written, action);
    const isUntold = this.#isTrial || (this.#read === undefined && this.#purpose.oneExpert === undefined);
    if (!isUntold) return;
    const isByVotes = source === 'quorum' || source === 'vote';
    const winner = isByVotes ? tallyVotes(written, this.#ballot.request)[0]?.action : action;
    const votes = written.map(({ vote }) => vote.action);
    if (winner !== undefined) this.#parts.reads?.wrote(this.#purpose.state, winner, votes);
  }

  #needsSynthesis(): boolean {
    const { synthesis, experts } = this.#parts.options;
    if (synthesis.models.length === 0 || this.#calls.signal.aborted || this.#calls.isLate) return false;
    if (this.#purpose.oneExpert !== undefined || this.#fit.isForLater || this.#read?.isLastWord === true) return false;
    if (synthesis.when === 'always') return true;
    // Where others wait, what the few experts said has to do.
    if (this.#fit.isCrowded && this.votes.length > 0) return false;
    if (this.#fit.members.length === 0 && experts.length > 0) return false;
    return !this.#ballot.isAgreed;
  }

  // The panel -------------------------------------------------------------------------------------------------------

  #convene(): Panel | undefined {
    this.#hasConvened = true;
    const { options, clock } = this.#parts;
    if (options.experts.length === 0) return undefined;
    const outlook = this.#outlook;
    const calls = this.#calls;
    const { features, quorum } = options;
    this.#fit = outlook.panel(calls.lane, calls.rankMs, this.#ballot.quorum.weightOf, this.#purpose.oneExpert);
    const { members, isCrowded, atOnce, isForLater } = this.#fit;
    if (isForLater) calls.lane = 'background';
    const first = members[0];
    const knownMs = first === undefined ? undefined : outlook.patienceMs(first);
    const panel = new Panel(clock, {
      ballot: this.#ballot,
      asker: this.#experts,
      members,
      isStaged: features.panelFit && quorum !== 'all',
      atOnce,
      patienceMs: first === undefined || isCrowded ? undefined : (knownMs ?? PATIENCE_MS),
      isPatienceGuessed: knownMs === undefined,
      primeMs: first === undefined || !features.priming ? undefined : outlook.primeMs(first),
      reasonMs: (this.deadlineMs - calls.startedAtMs) * REASON_SHARE,
    });
    this.#panel = panel;
    panel.begin();
    return panel;
  }

  /** Waits until the panel is done, its time is over, or nobody waits any more. */
  async #hear(panel: Panel): Promise<void> {
    const { clock } = this.#parts;
    const over = Promise.withResolvers<void>();
    const voted = Promise.withResolvers<void>();
    const ballot = this.#ballot;
    let isEnough = false;
    const looksEnough = (): void => void (isEnough && ballot.standing.length > 0 && over.resolve());
    const endMs = this.#panelEndMs();
    const enoughMs = this.#enoughMs();
    const onEnough = (): void => {
      // Who waits for a slot is not slow; and where there is none, a synthesis would have to wait for one as well.
      isEnough = this.#experts.hasRoom;
      looksEnough();
    };
    const enough = enoughMs === undefined ? undefined : clock.setTimer(enoughMs, onEnough);
    ballot.onVote = () => {
      voted.resolve();
      looksEnough();
    };
    const onEnd = (): void => {
      this.#isPanelLate = true;
    };
    try {
      await this.#waitFor(Promise.race([panel.done, over.promise]), endMs, onEnd);
      await this.#hearFirst(panel, voted.promise);
      // Those who are asked may still answer while a synthesis runs; nobody else is asked.
      panel.stopAsking();
    } finally {
      enough?.cancel();
      ballot.onVote = () => {};
    }
  }

  /** When the time of the panel is over: a synthesis that may follow has what it needs. */
  #panelEndMs(): number {
    const { options, clock } = this.#parts;
    const nextMs = this.#outlook.synthesisMs();
    const { members, isForLater } = this.#fit;
    const hasNext = options.synthesis.models.length > 0 && !isForLater && this.#outlook.isRoomForBoth(members, nextMs);
    if (!hasNext && options.keepsLate) return this.#calls.lastMs();
    const ceilingMs = Math.max(...options.experts.map((expert) => expert.timeoutMs));
    return panelEnd(clock.now(), this.deadlineMs, ceilingMs, { timeSlices: options.timeSlices, hasNext, nextMs });
  }

  /** An expert that has not answered until then is slower than nearly all calls. */
  #enoughMs(): number | undefined {
    const { features, quorum } = this.#parts.options;
    return features.panelFit && quorum === 'firstAgree' ? this.#outlook.enoughMs(this.#fit.members) : undefined;
  }

  /**
   * Without a vote there is nothing to merge: no synthesis begins while it is no likelier to answer in time than the experts
   * who are still asked.
   */
  async #hearFirst(panel: Panel, voted: Promise<void>): Promise<void> {
    const { clock, options } = this.#parts;
    if (!options.features.chanceFit || this.votes.length > 0 || panel.open === 0) return;
    if (this.#outlook.isSynthesisLikelier(panel.openExperts, clock.now() - this.#calls.startedAtMs)) return;
    await this.#waitFor(Promise.race([panel.done, voted]), this.#calls.lastMs());
  }

  /**
   * Where the ladder gave nothing and there is no vote either, or where no synthesis can be in time, those who are still asked
   * are waited for as long as there is time.
   */
  async #hearTheRest(panel: Panel | undefined): Promise<void> {
    const ballot = this.#ballot;
    if (panel === undefined || panel.open === 0) return;
    const heard = Promise.withResolvers<void>();
    if (ballot.standing.length > 0) {
      if (!this.#ladder.isHopeless) return;
      ballot.onVote = () => void (ballot.isAgreed && heard.resolve());
    } else ballot.onVote = () => heard.resolve();
    await this.#waitFor(Promise.race([panel.done, heard.promise]), this.#calls.lastMs());
  }

  /** Waits for something until `endMs`, and no longer than anybody waits for the flight. */
  async #waitFor(promise: Promise<void>, endMs: number, onEnd: () => void = () => {}): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#calls;
    const over = Promise.withResolvers<void>();
    const onAbort = (): void => over.resolve();
    const timer = clock.setTimer(endMs - clock.now(), () => {
      onEnd();
      over.resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([promise, over.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }
}
