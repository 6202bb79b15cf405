import { stampOffsetMs } from '../../shared/clock.ts';
import { type Decision, isFromTier } from '../../shared/decision.ts';
import { defined } from '../../shared/defined.ts';
import { imageFeaturesOf } from '../../shared/domain.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Hit } from '../cache/look.ts';
import type { PlanCache } from '../cache/plan-cache.ts';
import { isWellKnown } from '../cache/tally-change.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { Announcements } from './announcements.ts';
import type { BackgroundLane } from './background/background-lane.ts';
import type { Landed, Landings } from './expectations/landings.ts';
import type { Experience } from './experience/experience.ts';
import type { FlightParts } from './flights/flight-parts.ts';
import { keptRequest } from './kept-request.ts';
import { type Answer, answerFromHit } from './ladder/best-in-hand.ts';
import { UNDECIDED_SOURCES } from './ladder/why.ts';
import { LATENESS_MS_MAX, type Plan } from './plan.ts';
import type { PlanCall, Settling } from './plan-call.ts';
import { PlanSpans } from './plan-spans.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Whether an answer was remembered: an agent may get into a loop with it. */
function isFromMemory(source: Plan['source']): boolean {
  return isFromTier(source) || source === 'stale';
}

/** What plans are known by. */
export interface PlanMarks {
  /** The number of the next plan, of whichever domain. */
  readonly ids: { next: number };
  /** The domain, if there are several. */
  readonly domain?: string;
}

/**
 * Makes the plan of each call that settles, whichever rung the answer came from. Plans are counted, traced and announced here,
 * and background questions about cached answers are started. All of it is synchronous.
 */
export class Settlements {
  readonly #parts: FlightParts;
  readonly #cache: PlanCache | undefined;
  readonly #lane: BackgroundLane;
  readonly #landings: Landings;
  readonly #announcements: Announcements;
  readonly #spans: PlanSpans;
  readonly #imageNames: readonly string[];
  /** Offset from the steady clock to the timestamps of decisions. */
  readonly #stampOffsetMs: number;
  /** Learns what follows on plans; undefined if nothing does. */
  experience: Pick<Experience, 'settled' | 'lost'> | undefined;
  readonly #marks: PlanMarks;

  constructor(
    parts: FlightParts,
    cache: PlanCache | undefined,
    lane: BackgroundLane,
    landings: Landings,
    announcements: Announcements,
    marks: PlanMarks,
  ) {
    this.#marks = marks;
    this.#parts = parts;
    this.#cache = cache;
    this.#lane = lane;
    this.#landings = landings;
    this.#announcements = announcements;
    this.#spans = new PlanSpans(parts, marks.domain);
    this.#imageNames = imageFeaturesOf(parts.options.domain);
    this.#stampOffsetMs = stampOffsetMs(parts.clock);
  }

  /** Makes the plan of a call that the cache answers immediately. `foreseen`: how models were asked before, if they were asked ahead. */
  served(call: Settling, hit: Hit, foreseen?: readonly Attempt[]): Plan {
    const { request, signature } = call;
    // Copied before any listener is called: a listener may plan, which overwrites the signature's words, and the host may change its lists.
    const errand = hit.again && { request: keptRequest(request), signature: signature.slice(), hit };
    // The first plan that is served what was foreseen is the first visit to its state: only a state that comes back is asked about later.
    const isBack = hit.tier === 'exact' && foreseen === undefined;
    if (isBack && !isWellKnown(hit.decision)) this.#askLater(call, hit.decision);
    const landing = this.#landings.served(call);
    const plan = this.#settle(call, { answer: answerFromHit(hit), ...defined({ landing }) }, [], false, foreseen);
    if (errand !== undefined) this.#lane.add(errand);
    return plan;
  }

  /** Makes the plan of a call that the cache did not answer immediately. The answer may still be a standing one. */
  landed(call: PlanCall, answer: Answer, attempts: readonly Attempt[], coalesced: boolean): Plan {
    const isAnswered = !UNDECIDED_SOURCES.has(answer.source);
    if (isAnswered) this.#parts.shares.decided(call.request.agent);
    if (!isAnswered) this.#askLater(call, undefined);
    else if (isFromTier(answer.source)) {
      const { standing, isCycle } = call.look ?? {};
      const known = standing?.tier === 'exact' ? standing.decision : undefined;
      this.#askLater(call, known, isCycle);
    }
    const landed = this.#landings.landed(call, answer);
    if (isFromTier(landed.answer.source)) this.#cache?.stood();
    return this.#settle(call, landed, attempts, coalesced);
  }

  /** A read decided where nobody could write in time: experts are asked at once what it is worth. */
  proves({ request, signature, look }: PlanCall): void {
    if (!this.#hasPicture(request)) this.#lane.prove(request, signature, look?.inVain);
  }

  /** A plan starts to wait. */
  waits(call: PlanCall): void {
    this.#landings.waits(call);
  }

  /** A call was ended by its caller's signal: there is no plan. */
  abandoned(call: PlanCall, attempts: readonly Attempt[], coalesced: boolean): void {
    this.#parts.counters.plans.cancelled++;
    this.#landings.left(call.request);
    this.experience?.lost(call.request.agent);
    const { trace, request, startedAtMs } = call;
    if (trace === undefined) return;
    const latencyMs = this.#parts.clock.now() - startedAtMs;
    const ended = { agent: request.agent, attempts, coalesced, latencyMs, code: 'ERR_PLAN_CANCELLED' };
    this.#trace(() => this.#spans.ended(trace, ended));
  }

  /** Too little is known about a state, `known` being all of it: models are asked about it when there is room. */
  #askLater({ request, signature }: Settling, known: Decision | undefined, isUrgent = false): void {
    if (this.#cache === undefined || !this.#parts.options.features.askLater) return;
    // Pictures show one moment, and would be outdated by then.
    if (!this.#hasPicture(request)) this.#lane.askLater(request, signature, known, isUrgent);
  }

  #hasPicture({ observation }: PlanRequest): boolean {
    return this.#imageNames.some((name) => observation[name] !== undefined);
  }

  #settle(
    call: Settling,
    landed: Landed,
    attempts: readonly Attempt[],
    coalesced: boolean,
    foreseen?: readonly Attempt[],
  ): Plan {
    const { request, startedAtMs, deadlineMs } = call;
    const { answer, landing, state = call } = landed;
    const { counters } = this.#parts;
    const nowMs = this.#parts.clock.now();
    const { action, source, reason, model, decidedAtMs, why, confidence, probabilities, node } = answer;
    // Member by member: for a cached plan, spreads would take a tenth of its time.
    const plan: Writable<Plan> = {
      id: this.#marks.ids.next++,
      agent: request.agent,
      action,
      source,
      reason,
      attempts,
      coalesced,
      latencyMs: nowMs - startedAtMs,
      latenessMs: Math.max(0, nowMs - deadlineMs),
    };
    if (this.#marks.domain !== undefined) plan.domain = this.#marks.domain;
    if (model !== undefined) plan.model = model;
    if (foreseen !== undefined) plan.foreseen = foreseen;
    if (confidence !== undefined) plan.confidence = confidence;
    if (probabilities !== undefined) plan.probabilities = probabilities;
    if (landing !== undefined) plan.landing = landing;
    if (node !== undefined) plan.node = node;
    if (why !== undefined) {
      plan.why = why;
      counters.why[why.code]++;
    }
    if (decidedAtMs !== undefined) plan.ageMs = Math.max(0, nowMs + this.#stampOffsetMs - decidedAtMs);
    this.#cache?.took(state.request, state.signature, plan.action, nowMs, isFromMemory(source));
    counters.plans.settled++;
    counters.sources[plan.source]++;
    counters.planning.record(plan.latencyMs);
    counters.planTimes[plan.source].observe(plan.latencyMs / 1000);
    counters.lateness.record(plan.latenessMs);
    this.#lane.planSettled();
    this.#parts.domainFutures?.decided(state.request, plan.action);
    this.experience?.settled(call, state.request, plan, nowMs);
    const { trace } = call;
    if (trace !== undefined) this.#trace(() => this.#spans.settled(trace, plan));
    if (plan.latenessMs > LATENESS_MS_MAX) this.#announcements.tell('late', plan);
    this.#announcements.settled(plan, request);
    return plan;
  }

  /** Records a span. An error thrown by an exporter has no effect on the plan. */
  #trace(record: () => void): void {
    try {
      record();
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#announcements.warn(`the spans of a plan could not be recorded: ${what}`);
    }
  }
}
