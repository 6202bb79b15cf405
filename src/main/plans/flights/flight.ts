import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { AttemptLog } from '../../models/calls/attempt-log.ts';
import type { UsualTimes } from '../../models/time/latency-profile.ts';
import type { Answer } from '../ladder/best-in-hand.ts';
import { DecisionInHand } from '../ladder/decision-in-hand.ts';
import { SynthesisLadder } from '../ladder/synthesis-ladder.ts';
import type { WhyCode } from '../ladder/why.ts';
import { Ballot } from '../panel/ballot.ts';
import { ExpertCalls } from '../panel/expert-calls.ts';
import { ExpertOutlook } from '../panel/expert-outlook.ts';
import { Panel } from '../panel/panel.ts';
import { askedTwice, type PanelFit } from '../panel/panel-size.ts';
import { VALUES_WEIGHT } from '../panel/quorum.ts';
import { type ExpertVote, tallyVotes } from '../panel/tally.ts';
import { FlightRead } from '../reads/flight-read.ts';
import type { LoneUse } from '../reads/lone-reads.ts';
import { noReadCounts, type ReadChoice, type ReadCounts, type Reads, type ReadUse } from '../reads/reads.ts';
import { FlightCalls, type JoiningPlan } from './flight-calls.ts';
import { FlightClaim } from './flight-claim.ts';
import type { FlightParts, FlightPurpose } from './flight-parts.ts';
import { Hearing } from './hearing.ts';
import { ShownRequest } from './shown-request.ts';

/** Time after which another expert is asked if their times are not known. */
const PATIENCE_MS = 2_000;

/** Factor on the probability of a read while its calibration is not known. */
const UNCALIBRATED_WEIGHT = 0.7;
/** The role name of a read among those of experts. */
const READ_ROLE = 'first impression';

/** Share of the plan's time for which a panel settled by choices alone waits for a reason. */
const REASON_SHARE = 0.1;

/**
 * The model work for one state: a panel of experts, then the synthesis ladder if they do not agree. All plans that wait for the
 * same state share one flight. A flight never fails: it ends with a decision or without one, and until then its votes and
 * attempts can be read at any moment.
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
  /** Reads of checks are not counted as those of plans. */
  readonly #counts: ReadCounts = noReadCounts();
  readonly #shown: ShownRequest;
  /** Undefined without a cluster. */
  readonly claim: FlightClaim | undefined;
  readonly #hearing: Hearing;
  #panel: Panel | undefined;
  #fit: PanelFit = { members: [], isCrowded: false, atOnce: undefined, isForLater: false };
  #hasBegun = false;
  #hasConvened = false;
  #isReadUsed = false;
  /** Whether the read has no say and is only compared with what is written. */
  #isTrial = false;
  /** Whether it is compared with the first written vote alone: with more, only those would be heard whose first one is not enough. */
  #isSingle = false;
  /** What follows on its read, if that decided because nobody could write in time. */
  lone: LoneUse | undefined;

  constructor(parts: FlightParts, id: number, request: PlanRequest, deadlineMs: number, purpose: FlightPurpose) {
    const { options, records, reads } = parts;
    const { inVain, state, served, isForeseen, below } = purpose;
    const isWeighted = options.features.weightedVotes;
    const order = parts.prompts.order.current;
    const shown = new ShownRequest(request, options, inVain, order);
    this.#shown = shown;
    this.#parts = parts;
    this.#purpose = purpose;
    this.#outlook = new ExpertOutlook(parts, request, deadlineMs);
    this.#calls = new FlightCalls(parts, request, deadlineMs, purpose, this.#outlook);
    this.#calls.onTimeOver = () => this.cancel(true);
    this.#ballot = new Ballot(request, {
      rule: options.quorum,
      weightOf: (voice) => records.givenWeightOf(voice) * (isWeighted ? records.weightOf(voice) : 1),
      valuesWeight: isWeighted ? VALUES_WEIGHT : 0,
      inVain,
    });
    this.#inHand = new DecisionInHand(parts, this.#ballot, this.#calls.startedAtMs);
    this.#experts = new ExpertCalls(id, parts, shown, this.#outlook, this.#calls);
    // Other work that no plan waits for is a second opinion in words, such as a check of several different answers.
    if (reads !== undefined && (this.#calls.isAwaited || served !== undefined || isForeseen)) {
      this.#counts = served === undefined ? reads.counts : noReadCounts();
      const shared = { parts, reads, counts: this.#counts, planId: id, request, inVain, order, state, below };
      this.#read = new FlightRead({ ...shared, outlook: this.#outlook, calls: this.#calls });
    }
    const { states } = parts;
    if (states !== undefined && options.singleFlight) {
      this.claim = new FlightClaim({ states, request, purpose, calls: this.#calls, outlook: this.#outlook });
    }
    this.#ladder = new SynthesisLadder(parts, shown, this.#outlook, this.#calls, this.#ballot, this.#inHand);
    const heard = { ballot: this.#ballot, experts: this.#experts, ladder: this.#ladder };
    this.#hearing = new Hearing({ parts, purpose, outlook: this.#outlook, calls: this.#calls, ...heard });
  }

  get attempts(): AttemptLog {
    return this.#calls.attempts;
  }

  /** What the models decided, once they did. */
  get decision(): Decision | undefined {
    return this.#inHand.decision;
  }

  /** The time by which its model work must be done: when the plan for which it started settles. */
  get deadlineMs(): number {
    return this.#calls.deadlineMs;
  }

  /** The votes that count now, including current choices. */
  get votes(): readonly ExpertVote[] {
    return this.#ballot.standing;
  }

  /** If a model was read: the chance that models would decide the same again, and the probability of each action. */
  confidenceOf(action: string): Pick<Answer, 'confidence' | 'probabilities'> {
    const { choice, probabilities } = this.#read?.soFar ?? {};
    if (probabilities === undefined) return {};
    const chance = choice?.action === action ? this.#parts.reads?.chanceOf(choice) : undefined;
    const read = Object.hasOwn(probabilities, action) ? (probabilities[action] as number) : 0;
    return { confidence: chance ?? read, probabilities };
  }

  /** The action that has most support so far. */
  get leader(): string | undefined {
    return this.#ballot.leader;
  }

  /** Whether no call has been given a slot yet: the flight is only queued. */
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

  /** Whether a call was given up for another: then there are fewer votes than were asked for. */
  get isCutShort(): boolean {
    return this.#calls.isCutShort;
  }

  /** Whether a call still waited for a slot when its time was over, and for how long all of them had slots. */
  get use(): Pick<FlightCalls, 'isStarved' | 'workedMs' | 'reservedMs'> {
    return this.#calls;
  }

  /**
   * The decision that the current choices amount to, for a plan that is settled now: an agreement, the choice of a synthesis, or
   * without any vote the read, even if it has not ended or is a trial. Undefined if only votes are available.
   */
  standing(): Decision | undefined {
    const { choice } = this.#read?.soFar ?? {};
    const isReadBest = this.votes.length === 0 && choice && this.#parts.reads?.isBetterThanNone(choice.model);
    return this.#inHand.standing() ?? (isReadBest ? this.#inHand.ofRead(choice, 'vote') : undefined);
  }

  /** A plan joins a flight that was for later: its calls are that plan's from now on. */
  promote(plan: JoiningPlan): void {
    this.#calls.promote(plan);
  }

  /** Cancels the calls, because no plan waits any more. The votes so far may still decide. */
  cancel(isOutOfTime = false): void {
    this.#panel?.close();
    this.#calls.cancel(isOutOfTime);
  }

  /**
   * The deadline has come and no plan waits. Returns true if the flight continues behind all others because a model is at work
   * for it: its answer is remembered. No further model is asked, and each call gives way to a call that can make a deadline with
   * its slot.
   */
  goOnLate(): boolean {
    if (!this.#parts.options.keepsLate || !this.isAtWork) return false;
    this.#panel?.stopAsking();
    this.#calls.goOnLate();
    return true;
  }

  /** Why no model was asked, if none was; undefined if a bug is the cause. */
  get unasked(): WhyCode | undefined {
    const { experts, synthesis } = this.#parts.options;
    if (experts.length + synthesis.models.length === 0) return 'no-models';
    if (!this.#hasBegun) return 'no-turn';
    if (this.#ladder.isHopeless) return 'too-short';
    return this.#fit.members.length === 0 && experts.length > 0 ? 'no-slot' : undefined;
  }

  /** The usual answer times of an attempt's model at its endpoint. */
  usual({ role, model, endpoint }: Attempt): UsualTimes {
    const kind = role === undefined ? 'text' : this.#outlook.kindOf({ role });
    return this.#parts.endpoints.get(endpoint)?.profileOf(model, kind).usual ?? {};
  }

  /** The current attempts, relative to a plan that started at `originMs`. */
  attemptsFor(originMs: number): Attempt[] {
    return this.attempts.snapshot(this.#parts.clock.now(), originMs);
  }

  /** Runs to the end. Never rejects for anything a model, a server or a worker does. */
  async run(): Promise<void> {
    await this.#parts.turns.next();
    this.#hasBegun = true;
    if (this.#calls.signal.aborted) return;
    if (this.claim !== undefined && !(await this.claim.take())) return this.#endElsewhere(this.claim);
    if (this.#calls.signal.aborted) return;
    this.#parts.prompts.order.saw(this.#ballot.request.agent, this.#shown.situation);
    if (this.#read !== undefined && (await this.#readFirst(this.#read))) return this.#calls.end(false);
    // What a check would decide after it was cut short does not count.
    const isCutCheck = this.#purpose.served !== undefined && this.isCutShort;
    const { isLate, signal } = this.#calls;
    const isOver = isLate || signal.aborted || isCutCheck || this.#read?.isLastWord === true;
    const panel = isOver ? undefined : this.#convene();
    const inHand = this.#inHand;
    try {
      if (panel !== undefined) await this.#hearing.hear(panel, this.#fit);
      if (this.#calls.signal.aborted) inHand.decideInHand('vote');
      else if (!this.#needsSynthesis()) inHand.decideByVotes(this.#ballot.isAgreed ? 'quorum' : 'vote');
      else if (!(await this.#ladder.climb())) {
        await this.#hearing.hearTheRest(panel);
        inHand.decideInHand(inHand.isOvertaken ? 'quorum' : 'vote');
      }
      if (this.decision !== undefined) this.#learn(this.decision);
    } finally {
      panel?.close();
      // Experts that had all of the panel's time count as timed out: a silent server must be recognized as such, although its experts are never
      // waited for to the end.
      this.#calls.end(this.#hearing.isLate);
    }
  }

  /** Another node has decided, or is about to. */
  #endElsewhere({ made }: FlightClaim): void {
    if (made !== undefined) this.#inHand.decision = made.decision;
    this.#calls.end(false);
  }

  /** Reads first. Returns whether the read decides; otherwise it is a vote, or has no say. */
  async #readFirst(read: FlightRead): Promise<boolean> {
    const reads = this.#parts.reads as Reads;
    await read.first(() => this.#useRead(read, reads));
    if (read.isBeside && read.trial === 'pair') this.#hearPair();
    const use = this.#useRead(read, reads);
    this.#noteLone(read, reads);
    if (use !== 'decides') return false;
    this.#counts.decided++;
    this.#inHand.decision = this.#inHand.ofRead(read.choice as ReadChoice, 'quorum');
    return true;
  }

  /** A read that decides where nobody can write in time is held against votes that come later, if any may be asked for. */
  #noteLone({ choice, isLastWord, isLone }: FlightRead, reads: Reads): void {
    const { features, reads: given } = this.#parts.options;
    if (choice === undefined || this.#purpose.served !== undefined) return;
    if (!isLastWord || !isLone) reads.lone.notAlone();
    else if (features.askLater && given.answers === 'auto') this.lone = reads.lone.decided(choice.model);
  }

  #useRead({ choice, isCrowded, isLastWord, isBeside, trial }: FlightRead, reads: Reads): ReadUse | undefined {
    if (choice === undefined || this.#isReadUsed) return undefined;
    const use = reads.useOf(choice, isCrowded);
    const { served } = this.#purpose;
    if (served !== undefined) return this.#useReadOfCheck(use, choice.action === served, isLastWord);
    if (use === 'decides' && !this.#hasConvened) return use;
    this.#isReadUsed = true;
    // A trial needs written votes to be compared with. If none can be in time, the read is the best vote there is.
    const isOpen = use === 'trial' && (isBeside || !this.#hasConvened) && !isLastWord;
    this.#isTrial = isOpen && trial !== 'vote';
    this.#isSingle = isOpen && trial !== 'pair';
    if (this.#isTrial) return this.#isSingle ? 'trial' : this.#hearPair();
    const { action, model, probability } = choice;
    const vote = { action, confidence: probability, reason: '' };
    const readWeight = reads.chanceOf(choice) ?? probability * UNCALIBRATED_WEIGHT;
    this.#ballot.votes.push({ role: READ_ROLE, model, vote, readWeight });
    this.#ballot.onVote();
    return 'votes';
  }

  /**
   * A read of a check decides if it is sure and finds what was served, or if nobody can write. Otherwise experts write without
   * knowing of it. They are asked because the read contradicts, so reads are not judged by what they say then.
   */
  #useReadOfCheck(use: ReadUse, agrees: boolean, isLastWord: boolean): ReadUse {
    const isEnough = agrees || this.#parts.options.reads.answers === 'read';
    if (!this.#hasConvened && (isLastWord || (use === 'decides' && isEnough))) return 'decides';
    this.#isReadUsed = true;
    this.#isTrial = use !== 'decides' || this.#hasConvened;
    return this.#isTrial ? this.#hearPair() : 'trial';
  }

  /** A trial takes two votes, even where one that agrees with experience is enough. Else only pairs would be heard whose first vote contradicts. */
  #hearPair(): ReadUse {
    this.#ballot.votesMin = 2;
    return 'trial';
  }

  #learn({ action, source }: Decision): void {
    const written = this.votes.filter(({ readWeight }) => readWeight === undefined);
    this.#parts.records.decided(written, action);
    const { oneExpert, isProof } = this.#purpose;
    const isUntold =
      this.#isTrial || this.#isSingle || isProof || (this.#read === undefined && oneExpert === undefined);
    if (!isUntold) return;
    const heard = this.#isSingle ? written.slice(0, 1) : written;
    const isByVotes = this.#isSingle || source === 'quorum' || source === 'vote';
    const winner = isByVotes ? tallyVotes(heard, this.#ballot.request)[0]?.action : action;
    const votes = heard.map(({ vote }) => vote.action);
    if (winner !== undefined) this.#parts.reads?.wrote(this.#purpose.state, winner, votes);
  }

  #needsSynthesis(): boolean {
    const { synthesis, experts } = this.#parts.options;
    if (synthesis.models.length === 0 || this.#calls.signal.aborted || this.#calls.isLate) return false;
    if (this.#purpose.oneExpert !== undefined || this.#fit.isForLater || this.#read?.isLastWord === true) return false;
    if (synthesis.when === 'always') return true;
    // While other plans wait, the votes of the few experts are enough.
    if (this.#fit.isCrowded && this.votes.length > 0) return false;
    if (this.#fit.members.length === 0 && experts.length > 0) return false;
    return !this.#ballot.isAgreed;
  }

  #convene(): Panel | undefined {
    this.#hasConvened = true;
    const { options, clock } = this.#parts;
    if (options.experts.length === 0) return undefined;
    const outlook = this.#outlook;
    const calls = this.#calls;
    const { features, quorum } = options;
    const lane = this.#purpose.isForeseen && !calls.isAwaited ? 'ahead' : calls.lane;
    const fit = outlook.panel(lane, calls.rankMs, this.#ballot.quorum.weightOf, this.#purpose.oneExpert);
    this.#fit = this.#isTrial && options.experts.length === 1 ? askedTwice(fit) : fit;
    const { members, isCrowded, isForLater } = this.#fit;
    // No plan waits for a check, and one vote may be enough.
    const atOnce = this.#purpose.served === undefined ? this.#fit.atOnce : 1;
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
      known: this.#purpose.served,
    });
    this.#panel = panel;
    panel.begin();
    return panel;
  }
}
