import { getEventListeners } from 'node:events';
import type { Plan, PlanOptions } from '../../src/main/plans/plan.ts';
import type { Planner } from '../../src/main/plans/planner.ts';
import { stampNow } from '../../src/shared/clock.ts';
import { isFromTier, MODEL_SOURCES } from '../../src/shared/decision.ts';
import { ERROR_CODES, PlannerError } from '../../src/shared/errors.ts';
import { bestByQValue, type PlanRequest } from '../../src/shared/plan-request.ts';
import { Signer } from '../../src/shared/signature.ts';
import { type Lookup, StoreReader } from '../../src/shared/store/store-reader.ts';
import { crowdDomain, stateOf } from './crowd.ts';
import type { Findings } from './findings.ts';
import type { VirtualClock } from './virtual-clock.ts';

const DECIDED: ReadonlySet<string> = new Set(MODEL_SOURCES);
const CODES: ReadonlySet<string> = new Set(['OK', ...Object.keys(ERROR_CODES)]);

/** One call of `plan()`, as its caller knows it. */
interface Asked {
  readonly number: number;
  readonly request: PlanRequest;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  readonly stalledMs: number;
  readonly controller: AbortController | undefined;
  /** What the store had for its state. */
  readonly stored: Lookup['kind'] | undefined;
  /** Calls that had been given up for others by then. */
  readonly givenUp: number;
  /** How it has to be turned down. */
  readonly refusal: string | undefined;
  isOpen: boolean;
  isCancelled: boolean;
}

export interface PlanBookSetting {
  readonly clock: VirtualClock;
  readonly findings: Findings;
  readonly maxInFlight: number;
  /** No decision is served that is older than this, by the process clock. */
  readonly ttlMsMax: number;
  /** What a host does when it is told of a plan. */
  readonly onTold: () => void;
  /** Whether a model has spoken for an action in a state, as far as it is known in which state it was asked. */
  readonly wasVoted: (state: string, action: string) => boolean;
}

/** What callers were promised: each plan is held against it when it settles. */
export class PlanBook {
  readonly counts = { settled: 0, cancelled: 0, refused: 0, invalid: 0, closed: 0 };
  readonly sources: Record<string, number> = {};
  /** By how much the clock has stalled so far. */
  stalledMs = 0;
  closedAtMs = Number.POSITIVE_INFINITY;
  /** The longest that a plan was given. */
  timeoutMsMax = 0;
  readonly #setting: PlanBookSetting;
  readonly #planner: Planner;
  readonly #signer = new Signer(crowdDomain);
  readonly #reader: StoreReader | undefined;
  readonly #open = new Set<Asked>();
  /** The states in which each agent has asked so far. */
  readonly #statesOf = new Map<string, Set<string>>();
  /** Plans that were told on the event, until their callers have them. */
  readonly #told = new Set<Plan>();
  readonly #signals: AbortSignal[] = [];
  #waiting = 0;
  #number = 0;

  constructor(planner: Planner, setting: PlanBookSetting) {
    this.#planner = planner;
    this.#setting = setting;
    this.#reader = planner.cacheBuffer && new StoreReader(planner.cacheBuffer, { marksTouched: false, decodedMax: 64 });
    planner.on('plan', (plan, request) => this.#wasTold(plan, request));
    planner.on('warning', (message) => {
      setting.findings.claim(!/failed:|threw/.test(message), `a bug was told: ${message}`);
    });
  }

  /** Plans that wait, by what their callers have seen. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Asks for a plan, and holds what comes of it against the promises. Resolves with it, or with nothing. */
  ask(
    request: PlanRequest,
    timeoutMs: number,
    more: { readonly priority?: number; readonly hasSignal?: boolean } = {},
  ): Asking {
    const { clock, maxInFlight } = this.#setting;
    const { priority, hasSignal = false } = more;
    const controller = hasSignal ? new AbortController() : undefined;
    const startedAtMs = clock.now();
    this.timeoutMsMax = Math.max(this.timeoutMsMax, timeoutMs);
    const isInvalid = request.actions.length === 0;
    const asked: Asked = {
      number: ++this.#number,
      request: structuredClone(request),
      startedAtMs,
      deadlineMs: startedAtMs + timeoutMs,
      stalledMs: this.stalledMs,
      controller,
      stored: isInvalid ? undefined : this.#look(request).kind,
      givenUp: this.#givenUp,
      refusal:
        startedAtMs >= this.closedAtMs
          ? 'ERR_PLANNER_CLOSED'
          : isInvalid
            ? 'ERR_REQUEST_INVALID'
            : this.#waiting >= maxInFlight
              ? 'ERR_PLANNER_OVERLOADED'
              : undefined,
      isOpen: true,
      isCancelled: false,
    };
    if (asked.refusal === undefined) {
      this.#waiting++;
      this.#wasIn(asked.request);
    }
    this.#open.add(asked);
    if (controller !== undefined) this.#signals.push(controller.signal);
    const options: PlanOptions = {
      timeoutMs,
      ...(priority === undefined ? {} : { priority }),
      ...(controller === undefined ? {} : { signal: controller.signal }),
    };
    const plan = this.#planner.plan(request, options).then(
      (settled) => this.#settled(asked, settled),
      (error: unknown) => this.#rejected(asked, error),
    );
    return { plan, abort: () => this.#abort(asked) };
  }

  /** A fresh decision that `peek` tells is served. */
  peek(request: PlanRequest): void {
    const { findings } = this.#setting;
    const told = this.#planner.peek(request);
    if (told === undefined) return;
    findings.claim(request.actions.includes(told.action), 'peek tells a legal action');
    findings.claim(this.#look(request).kind === 'hit', 'peek tells what is fresh');
    this.#isYoung(told.decidedAtMs);
  }

  /** At any moment between two steps. */
  check(): void {
    const { clock, findings, maxInFlight } = this.#setting;
    findings.claim(this.#waiting <= maxInFlight, `${this.#waiting} plans wait, ${maxInFlight} may`);
    findings.claim(this.#told.size === 0, 'who waits for a plan has it at once');
    for (const { number, deadlineMs, stalledMs } of this.#open) {
      const latestMs = Math.min(deadlineMs + this.stalledMs - stalledMs, this.closedAtMs);
      findings.claim(clock.now() <= latestMs, `plan ${number} settles by ${latestMs.toFixed(1)}`);
    }
  }

  checkEnd(): void {
    const { findings } = this.#setting;
    findings.claim(this.#open.size === 0, `${this.#open.size} plans never settled`);
    for (const signal of this.#signals) {
      findings.claim(getEventListeners(signal, 'abort').length === 0, "no listener is left on a caller's signal");
    }
  }

  /** A caller leaves. Its plan may be settled already, and not have come to it. */
  #abort(asked: Asked): void {
    const { cancelled } = this.#planner.stats().plans;
    asked.controller?.abort();
    asked.isCancelled = this.#planner.stats().plans.cancelled > cancelled;
    if (asked.isCancelled) this.#waiting--;
  }

  /** The caller of some plan leaves, in whatever is going on now. */
  abortOne(): void {
    for (const asked of this.#open) {
      if (asked.controller === undefined || asked.controller.signal.aborted) continue;
      this.#abort(asked);
      return;
    }
  }

  #look(request: PlanRequest): Lookup {
    const signature = this.#signer.sign(request.observation, request.actions, new Int32Array(4));
    return this.#reader?.look(signature, this.#setting.clock.now()) ?? { kind: 'miss' };
  }

  #close(asked: Asked): void {
    this.#setting.findings.claim(asked.isOpen, 'a plan settles once');
    asked.isOpen = false;
    this.#open.delete(asked);
  }

  #rejected(asked: Asked, error: unknown): undefined {
    const { findings } = this.#setting;
    this.#close(asked);
    const code = error instanceof PlannerError ? error.code : String(error);
    findings.note(`plan ${asked.number} ${code}`);
    const expected = asked.refusal ?? (asked.isCancelled ? 'ERR_PLAN_CANCELLED' : 'a plan');
    findings.claim(code === expected, `plan ${asked.number} ends with ${expected}, got ${code}`);
    if (code === 'ERR_PLAN_CANCELLED') this.counts.cancelled++;
    else if (code === 'ERR_PLANNER_OVERLOADED') this.counts.refused++;
    else if (code === 'ERR_PLANNER_CLOSED') this.counts.closed++;
    else if (code === 'ERR_REQUEST_INVALID') this.counts.invalid++;
    return undefined;
  }

  #settled(asked: Asked, plan: Plan): Plan {
    const { findings, clock } = this.#setting;
    const nowMs = clock.now();
    this.#close(asked);
    findings.note(`plan ${asked.number} ${plan.source} ${plan.action} ${plan.attempts.map(({ code }) => code).join()}`);
    findings.claim(this.#told.delete(plan), 'a plan is told on the event once, before its caller has it');
    findings.claim(asked.refusal === undefined, `plan ${asked.number} ends with ${asked.refusal}, got a plan`);
    findings.claim(!asked.isCancelled, `plan ${asked.number} was cancelled`);
    findings.claim(asked.request.actions.includes(plan.action), `"${plan.action}" was offered`);
    const latestMs = asked.deadlineMs + this.stalledMs - asked.stalledMs;
    findings.claim(nowMs <= latestMs, `plan ${asked.number} settles by ${latestMs.toFixed(1)}`);
    findings.claim(plan.agent === asked.request.agent, 'a plan names its agent');
    findings.claim(plan.latencyMs === nowMs - asked.startedAtMs, 'a plan tells its own time');
    findings.claim(plan.latenessMs === Math.max(0, nowMs - asked.deadlineMs), 'a plan tells how late it is');
    this.counts.settled++;
    this.sources[plan.source] = (this.sources[plan.source] ?? 0) + 1;
    this.#isHonest(asked, plan);
    return plan;
  }

  /** Calls given up so far for somebody who needed their slots. */
  get #givenUp(): number {
    return this.#planner.stats().endpoints.reduce((sum, endpoint) => sum + endpoint.givenUp, 0);
  }

  #isHonest({ request, stored, givenUp }: Asked, plan: Plan): void {
    const { source, action, attempts, coalesced } = plan;
    const { findings, clock } = this.#setting;
    for (const attempt of attempts) {
      const { code, latencyMs } = attempt;
      findings.claim(CODES.has(code), `an attempt has a code of the table, got ${code}`);
      findings.claim(latencyMs >= 0 && Number.isFinite(latencyMs), `an attempt has a time, got ${latencyMs}`);
      const isLegal = attempt.action !== undefined && request.actions.includes(attempt.action);
      findings.claim(code !== 'OK' || isLegal, 'an attempt that is OK voted for an action that was offered');
      findings.claim(attempt.action === undefined || isLegal, 'an attempt chose an action that was offered');
      findings.claim(
        !code.startsWith('ERR_VOTE') || !isLegal,
        `an answer that is read to its end as ${code} chose nothing`,
      );
    }
    // Its vote, or the choice that stood when it was not waited for any longer.
    const agreeing = attempts.filter((attempt) => attempt.action === action);
    if (isFromTier(source)) {
      const heard = attempts.filter(({ code }) => code === 'OK').length;
      if (hasStood(plan)) findings.claim(heard === 0, `models were heard, and the plan is ${source}`);
      else findings.claim(attempts.length === 0 && !coalesced, 'a plan from the cache has no attempts');
      findings.claim(source !== 'cache' || stored === 'hit', `what is served is fresh: ${source} of ${stored}`);
    } else if (source === 'synthesis' || source === 'fallback') {
      findings.claim(
        agreeing.some(({ step }) => step === source),
        `a ${source} decided for ${action}`,
      );
    } else if (DECIDED.has(source)) {
      findings.claim(
        agreeing.some(({ step }) => step === 'expert'),
        `an expert voted for ${action}`,
      );
    } else {
      const heard = attempts.filter(({ code }) => code === 'OK').length;
      findings.claim(heard === 0, `models were heard, and the plan is ${source}`);
      const isGivenUp = attempts.length > 0 && attempts.every(({ code }) => code === 'ERR_CANCELLED');
      // A plan that no model is expected to answer in time asks behind everyone, and may have to give way.
      const isForOthers = this.#givenUp > givenUp;
      const isCause = isForOthers || clock.now() >= this.closedAtMs;
      findings.claim(!isGivenUp || isCause, 'nothing is cancelled that a plan waits for, but for others');
      if (source === 'heuristic')
        findings.claim(action === bestByQValue(request), 'the heuristic takes the best value');
      else if (source === 'late') this.#isLateHonest(request, action);
      else findings.claim(stored === 'stale', `a stale decision was there: ${stored}`);
    }
  }

  #wasIn({ agent, observation }: PlanRequest): void {
    const states = this.#statesOf.get(agent) ?? new Set();
    this.#statesOf.set(agent, states.add(stateOf({ observation })));
  }

  /** What the rung `late` serves is what some model said for a state in which this agent has asked. */
  #isLateHonest({ agent }: PlanRequest, action: string): void {
    const states = [...(this.#statesOf.get(agent) ?? [])];
    const isVoted = states.some((state) => this.#setting.wasVoted(state, action));
    this.#setting.findings.claim(isVoted, `models said ${action} for a state that ${agent} was in`);
  }

  #wasTold(plan: Plan, request: PlanRequest): void {
    const { findings } = this.#setting;
    this.#waiting--;
    findings.claim(!this.#told.has(plan), 'a plan is told once');
    this.#told.add(plan);
    // In the very moment in which it is served.
    if (isFromTier(plan.source)) this.#isFresh(plan, request);
    this.#setting.onTold();
  }

  #isFresh(plan: Plan, request: PlanRequest): void {
    const { findings, clock } = this.#setting;
    const decidedAtMs = stampNow(clock) - (plan.ageMs ?? 0);
    if (hasStood(plan)) {
      // It was fresh when models were asked first: at the end of their time another one may stand in its place.
      this.#isYoung(decidedAtMs, plan.latencyMs);
    } else if (plan.source === 'cache') {
      const lookup = this.#look(request);
      findings.claim(lookup.kind === 'hit' && lookup.entry.expiresAtMs > clock.now(), 'what is served is fresh');
      if (lookup.kind === 'hit') this.#isYoung(lookup.entry.decision.decidedAtMs);
    } else this.#isYoung(decidedAtMs);
  }

  /** Whether it was decided no longer ago than decisions are fresh, whatever the wall clock has said since. */
  #isYoung(decidedAtMs: number, waitedMs = 0): void {
    const { clock, ttlMsMax, findings } = this.#setting;
    const ageMs = stampNow(clock) - decidedAtMs;
    // Fractions of milliseconds are lost in large numbers.
    const isYoung = ageMs >= -0.01 && ageMs <= ttlMsMax + waitedMs + 0.01;
    findings.claim(isYoung, `what was decided at ${decidedAtMs} is served after at most ${ttlMsMax} ms`);
  }
}

/** Whether models were asked first, and none answered: what memory had to say was the plan all the same. */
function hasStood({ attempts, latencyMs }: Plan): boolean {
  return attempts.length > 0 || latencyMs > 0;
}

export interface Asking {
  readonly plan: Promise<Plan | undefined>;
  readonly abort: () => void;
}
