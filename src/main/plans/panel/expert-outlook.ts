import { imageFeaturesOf } from '../../../shared/domain.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { CallLane } from '../../models/calls/call-maker.ts';
import { type CallPlace, goodPlaces, placesFor } from '../../models/calls/places.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { CallKind, LatencyProfile } from '../../models/time/latency-profile.ts';
import type { ResolvedExpert, ResolvedSynthesis } from '../../options/planner-options.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import { worthAtOnce } from './calls-at-once.ts';
import { type FitQuestion, type PanelFit, panelThatFits } from './panel-size.ts';
import type { Voice } from './quorum.ts';

/** A slow expert is waited for until this share of its calls is done; then another one is asked. */
const PATIENCE_QUANTILE = 0.75;
/** Margin on quantiles, which may be 5 % too low. */
const PATIENCE_MARGIN = 1.05;
/**
 * Once there is a vote, the others are waited for until this share of the calls of the slowest is done, plus a margin: learned
 * times miss the slowest calls, which are cancelled as soon as two others agree.
 */
const ENOUGH_QUANTILE = 0.95;
const ENOUGH_MARGIN = 1.2;
/** Quantile of the model's time to first token; the other experts wait this long for the first to read the shared prompt. */
const PRIME_QUANTILE = 0.9;
/** Quantile of a synthesis's time that is reserved for it. */
const SYNTHESIS_QUANTILE = 0.9;

/** An expert on a slower server is asked again after this time. */
const FORGOTTEN_MS = 30_000;

/** A call with a smaller chance than this to answer in time is not started. */
const FAIR_CHANCE = 0.3;

/** An expert that takes no time is worth no more than one that takes this share of the plan's time. */
const SHARE_MIN = 0.005;

/** A rung of the ladder: a model that may decide if the experts do not agree. */
export type LadderSeat = ResolvedSynthesis['models'][number];

/** The places where a model may be asked. */
interface Seats {
  readonly endpoint: string;
  readonly alternatives: readonly string[];
}

type Parts = Pick<FlightParts, 'options' | 'clock' | 'endpoints' | 'maker' | 'seats'>;

/** What can be expected of the experts for one request, given what is known about their models and the time there is. */
export class ExpertOutlook {
  readonly #parts: Parts;
  /** When the plan that the experts are asked for has to settle. */
  deadlineMs: number;
  /** Whether the request has pictures. */
  readonly #isVisual: boolean;

  constructor(parts: Parts, { observation }: PlanRequest, deadlineMs: number) {
    this.#parts = parts;
    this.deadlineMs = deadlineMs;
    this.#isVisual = imageFeaturesOf(parts.options.domain).some((name) => observation[name] !== undefined);
  }

  kindOf({ role }: Pick<ResolvedExpert, 'role'>): CallKind {
    return this.#isVisual && this.#parts.options.domain.roles.some((each) => each.name === role && each.vision)
      ? 'vision'
      : 'text';
  }

  /** The expert as it is asked now: with its own model, or with one that its server has in memory. */
  seated(expert: ResolvedExpert): ResolvedExpert {
    return this.#parts.seats.seated(expert, this.kindOf(expert), this.#leftMs());
  }

  /** The first rung of the ladder as it is asked now. */
  get synthesis(): LadderSeat | undefined {
    const [first] = this.#parts.options.synthesis.models;
    return first && this.#parts.seats.seated(first, 'text', this.#leftMs());
  }

  /**
   * The experts to ask, in order. Work ahead has the panel of the plan that it is for, which may join it. Where none would be in time it
   * is for later, and so has all of them, unless they would slow each other.
   */
  panel(
    lane: CallLane | 'ahead',
    rankMs: number,
    weightOf: (voice: Voice) => number,
    oneExpert: number | undefined,
  ): PanelFit {
    const { options, clock, maker } = this.#parts;
    const whole = { isCrowded: false, atOnce: undefined, isForLater: false };
    if (oneExpert !== undefined) {
      const expert = options.experts[oneExpert % options.experts.length];
      return { ...whole, members: expert === undefined ? [] : [this.seated(expert)] };
    }
    const experts = options.experts.map((expert) => this.seated(expert));
    if (!options.features.panelFit) return { ...whole, members: experts };
    const leftMs = this.#leftMs();
    // Experts that weigh more and answer sooner come first; those whose endpoint rests come last. While plans wait for slots, the weight is judged
    // against the time that the expert takes of a slot.
    const rank = (expert: ResolvedExpert): number => {
      const { endpoint, alternatives } = expert;
      const isReachable = maker.isReachable({ subject: { step: 'expert', model: '', endpoint }, alternatives });
      const isAwaited = [endpoint, ...alternatives].every((name) => this.#at(name).gate.waiting > 0);
      const share = this.#lengthOf(expert, leftMs) / leftMs;
      return isReachable ? weightOf(expert) / ((isAwaited ? SHARE_MIN : 1) + share) : 0;
    };
    const ranks = new Map(experts.map((expert) => [expert, rank(expert)]));
    const inOrder = experts.toSorted((a, b) => (ranks.get(b) as number) - (ranks.get(a) as number));
    if (lane === 'background' || lane === 'reserved') return { ...whole, members: inOrder };
    const ordered = this.#inTimeForOthers(inOrder, rankMs);
    const fit = panelThatFits(ordered, {
      ...this.#rooms(experts, rankMs),
      kindOf: (expert) => this.kindOf(expert),
      rankMs,
      nowMs: clock.now(),
      deadlineMs: this.deadlineMs,
      needed: this.#needed,
      byChance: options.features.chanceFit && options.keepsLate,
    });
    return lane === 'ahead' && fit.isForLater && !this.#areSlowed ? { ...whole, members: inOrder } : fit;
  }

  /**
   * Removes experts that only a slower server has, if the others will have decided before these can answer, by a synthesis if
   * they do not agree. Occasionally such an expert is put last instead, because nothing else would show that its server has
   * become quicker.
   */
  #inTimeForOthers(experts: readonly ResolvedExpert[], rankMs: number): readonly ResolvedExpert[] {
    const { options } = this.#parts;
    const { synthesis } = this;
    if (!this.#isPlaced || synthesis === undefined || options.quorum !== 'firstAgree') return experts;
    const places = new Map(experts.map((one) => [one, this.#placesOf(one, this.kindOf(one), rankMs)[0] as CallPlace]));
    const foreseenMs = (one: ResolvedExpert): number => (places.get(one) as CallPlace).foreseenMs;
    const [quickest, second] = experts.toSorted((a, b) => foreseenMs(a) - foreseenMs(b));
    if (quickest === undefined || second === undefined) return experts;
    const decidedMs = foreseenMs(second) + (this.#placesOf(synthesis, 'text', rankMs)[0] as CallPlace).foreseenMs;
    const isLate = (one: ResolvedExpert): boolean =>
      foreseenMs(one) > decidedMs && (places.get(one) as CallPlace).at !== (places.get(quickest) as CallPlace).at;
    const again = experts.find((one) => isLate(one) && this.#isForgotten(one, (places.get(one) as CallPlace).at));
    const timely = experts.filter((one) => !isLate(one));
    return again === undefined ? timely : [...timely, again];
  }

  #isForgotten(expert: ResolvedExpert, at: ModelEndpoint): boolean {
    return !at.isResting && at.use.isDueForCheck(expert.model, this.kindOf(expert), FORGOTTEN_MS);
  }

  /** The places where experts may be asked, and those with room for one that may not be needed. */
  #rooms(experts: readonly ResolvedExpert[], rankMs: number): Pick<FitQuestion, 'placesOf' | 'roomFor'> {
    const all = ({ endpoint, alternatives }: Seats) => [endpoint, ...alternatives].map((name) => this.#at(name));
    if (!this.#isPlaced) return { placesOf: all, roomFor: all };
    const places = new Map(experts.map((expert) => [expert, this.#placesOf(expert, this.kindOf(expert), rankMs)]));
    const every = [...places.values()].flat().filter(({ at }) => !at.isResting);
    const endpointsOf = (some: readonly CallPlace[]) => some.map(({ at }) => at);
    return {
      placesOf: (expert) => endpointsOf(goodPlaces(places.get(expert) ?? [])),
      roomFor: (expert) => endpointsOf(goodPlaces(places.get(expert) ?? [], every)),
    };
  }

  /** Whether an expert's server is given fewer calls at once than it has slots, because more would all be late. */
  get isNarrowed(): boolean {
    const { endpoints, options } = this.#parts;
    // Comparing places costs more than seeing that none is narrow.
    if (![...endpoints.values()].some(isNarrow)) return false;
    return options.experts.some((expert) => isNarrow(this.#best(expert, this.kindOf(expert))));
  }

  /** How many times as long as alone the calls of an expert take next to one other. */
  besideAnother(expert: ResolvedExpert): number {
    return this.#profile(expert).besideAnother;
  }

  /** Whether calls slow each other at the server of an expert. */
  get #areSlowed(): boolean {
    return this.#parts.options.experts.some(({ endpoint }) => this.#at(endpoint).profiles.areSlowed);
  }

  /** Whether a slot is idle and one more call would be useful. */
  hasRoom(rankMs: number): boolean {
    const { endpoints, options } = this.#parts;
    if (!this.#isPlaced) return [...endpoints.values()].some(({ gate }) => gate.idle > 0);
    const experts = options.experts.map((expert) => this.seated(expert));
    const { roomFor } = this.#rooms(experts, rankMs);
    return experts.some((expert) => roomFor?.(expert).some(({ gate }) => gate.idle > 0));
  }

  /** Whether there is more than one place to compare. */
  get #isPlaced(): boolean {
    const { options, endpoints } = this.#parts;
    return options.features.bestPlace && endpoints.size > 1;
  }

  #placesOf(seats: Seats & { readonly model: string }, kind: CallKind, rankMs: number): readonly CallPlace[] {
    const all = [seats.endpoint, ...seats.alternatives].map((name) => this.#at(name));
    const awake = all.filter(({ isResting }) => !isResting);
    return placesFor(awake.length > 0 ? awake : all, seats.model, kind, rankMs);
  }

  /** The endpoint where a call that starts now is expected to be answered first. */
  #best(seats: Seats & { readonly model: string }, kind: CallKind): ModelEndpoint {
    if (!this.#isPlaced || seats.alternatives.length === 0) return this.#at(seats.endpoint);
    return this.#placesOf(seats, kind, this.deadlineMs)[0]?.at ?? this.#at(seats.endpoint);
  }

  /** Time after which another expert is asked in addition to the first. Undefined while its times are not known. */
  patienceMs(first: ResolvedExpert): number | undefined {
    const usualMs = this.#quantile(first, 'total', PATIENCE_QUANTILE);
    return usualMs === undefined ? undefined : usualMs * PATIENCE_MARGIN;
  }

  /** Whether an expert is expected to answer in the remaining time, or has a fair chance to. */
  isTimely(expert: ResolvedExpert): boolean {
    const at = this.#best(expert, this.kindOf(expert));
    const chance = at.forecast.chanceWithin(expert.model, this.kindOf(expert), this.#leftMs(), at.gate.busy + 1);
    if (chance === undefined || !this.#parts.options.features.chanceFit)
      return this.#lengthOf(expert, 0) <= this.#leftMs();
    return chance >= FAIR_CHANCE;
  }

  /**
   * What experts are worth that have `ms` to write, 0 to 1 as for calls at once, if `taken` of the free slots are not for them. Undefined
   * while their times are not known.
   */
  worthWithin(ms: number, taken: number): number | undefined {
    const { experts } = this.#parts.options;
    const places = new Set(experts.map((expert) => this.#best(expert, this.kindOf(expert))));
    let room = -taken;
    // Background calls give way.
    for (const { gate, isResting } of places) room += isResting ? 0 : gate.width - (gate.busy - gate.inBackground);
    if (room < 1) return 0;
    const chancesOf = (calls: number): number[] =>
      experts.slice(0, calls).map((expert) => this.#chanceWithin(expert, ms, calls) ?? Number.NaN);
    const most = Math.min(experts.length, room);
    // An only expert is all that there is.
    const worth = worthAtOnce({ most, needed: Math.min(this.#needed, experts.length), chancesOf });
    return Number.isNaN(worth) ? undefined : worth;
  }

  #chanceWithin(expert: ResolvedExpert, ms: number, more: number): number | undefined {
    const kind = this.kindOf(expert);
    const { forecast, gate } = this.#best(expert, kind);
    return forecast.chanceWithin(expert.model, kind, ms, Math.min(gate.width, gate.busy + more));
  }

  /** Number of votes that a quorum may need. */
  get #needed(): number {
    const { quorum, experts } = this.#parts.options;
    return quorum === 'firstAgree' ? 2 : Math.ceil((experts.length + 1) / 2);
  }

  /**
   * Whether the first rung of the ladder has a fair chance to answer in the remaining time. Occasionally it is tried against its
   * known times: nothing else would show that it has become quicker.
   */
  isSynthesisTimely(): boolean {
    const first = this.synthesis;
    const chance = this.#synthesisChance();
    if (first === undefined || chance === undefined || chance >= FAIR_CHANCE) return true;
    return this.#at(first.endpoint).mayTry(first.model, 'text');
  }

  /** Whether a synthesis is likelier to answer in time than experts that were asked `ageMs` ago. */
  isSynthesisLikelier(experts: readonly ResolvedExpert[], ageMs: number): boolean {
    const first = this.synthesis;
    if (first === undefined) return false;
    let best = 0;
    for (const expert of experts) {
      const { gate } = this.#best(expert, this.kindOf(expert));
      const chance = this.#profile(expert).chanceAfter(ageMs, this.#leftMs(), gate.busy);
      // A new call to the same model cannot be better than the one that is running.
      if (chance === undefined) {
        if (expert.model === first.model && expert.endpoint === first.endpoint) return false;
      } else best = Math.max(best, chance);
    }
    return (this.#synthesisChance() ?? 0.5) > best;
  }

  #synthesisChance(): number | undefined {
    const first = this.synthesis;
    if (first === undefined) return 0;
    const at = this.#best(first, 'text');
    return at.forecast.chanceWithin(first.model, 'text', this.#leftMs(), Math.min(at.gate.width, at.gate.busy + 1));
  }

  #profile(expert: ResolvedExpert): LatencyProfile {
    const kind = this.kindOf(expert);
    return this.#best(expert, kind).profileOf(expert.model, kind);
  }

  /**
   * How long the other experts wait for the first to read the shared prompt, if the server reuses it in any slot. Undefined if it
   * does not.
   */
  primeMs(first: ResolvedExpert): number | undefined {
    if (this.#at(first.endpoint).facts.sharesPrefixes !== true) return undefined;
    return this.#quantile(first, 'firstToken', PRIME_QUANTILE);
  }

  /** When an expert that has not answered is slower than nearly all calls. Undefined if times are not known. */
  enoughMs(members: readonly ResolvedExpert[]): number | undefined {
    let longestMs = 0;
    for (const expert of members) {
      const ms = this.#quantile(expert, 'total', ENOUGH_QUANTILE);
      if (ms === undefined) return undefined;
      longestMs = Math.max(longestMs, ms);
    }
    return longestMs * ENOUGH_MARGIN;
  }

  /** The time of the first rung of the ladder, if known. */
  synthesisMs(): number | undefined {
    const first = this.synthesis;
    if (first === undefined || !this.#parts.options.features.learnedTimeouts) return undefined;
    const at = this.#best(first, 'text');
    const ms = at.profileOf(first.model, 'text').quantile('total', SYNTHESIS_QUANTILE);
    return ms === undefined ? undefined : ms + at.memory.loadMs(first.model);
  }

  /** Time that models usually take to decide: the quickest expert, and a synthesis. Undefined while it is not known. */
  usualMs(): number | undefined {
    const known = this.#parts.options.experts.map((one) => this.#quantile(this.seated(one), 'total', ENOUGH_QUANTILE));
    const times = known.filter((ms) => ms !== undefined);
    return times.length === 0 ? undefined : Math.min(...times) + (this.synthesisMs() ?? 0);
  }

  /** Whether there is time for these experts and a synthesis; if not, the experts have all of it. */
  isRoomForBoth(members: readonly ResolvedExpert[], synthesisMs: number | undefined): boolean {
    if (synthesisMs === undefined || this.#parts.options.synthesis.when === 'always') return true;
    const panelMs = members.length === 0 ? 0 : Math.min(...members.map((expert) => this.#lengthOf(expert, 0)));
    return panelMs + synthesisMs <= this.#leftMs();
  }

  #leftMs(): number {
    return this.deadlineMs - this.#parts.clock.now();
  }

  #at(name: string): ModelEndpoint {
    return this.#parts.endpoints.get(name) as ModelEndpoint;
  }

  #quantile(expert: ResolvedExpert, phase: 'total' | 'firstToken', q: number): number | undefined {
    const kind = this.kindOf(expert);
    const at = this.#best(expert, kind);
    const ms = at.profileOf(expert.model, kind).quantile(phase, q);
    return ms === undefined ? undefined : ms + at.memory.loadMs(expert.model);
  }

  /** The time of an expert's answer; among those with unknown times, one that looks at pictures takes longer. */
  #lengthOf(expert: ResolvedExpert, unknownMs: number): number {
    const kind = this.kindOf(expert);
    return this.#best(expert, kind).forecast.workMs(expert.model, kind) ?? (kind === 'vision' ? unknownMs : 0);
  }
}

function isNarrow({ gate }: ModelEndpoint): boolean {
  return gate.width < gate.slots;
}
