import type { Attempt } from '../../src/main/models/calls/attempt.ts';
import { AttemptLog } from '../../src/main/models/calls/attempt-log.ts';
import type { CallHolder, CallPlan } from '../../src/main/models/calls/call-maker.ts';
import type { ModelEndpoint } from '../../src/main/models/model-endpoint.ts';
import type { Slot } from '../../src/main/models/slots/ask.ts';
import { allFeatures, type FeatureName } from '../../src/main/options/features.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../src/main/options/resolve-options.ts';
import type { FlightParts } from '../../src/main/plans/flights/flight-parts.ts';
import { makeParts } from '../../src/main/service/create-planner.ts';
import type { ErrorCode } from '../../src/shared/errors.ts';
import { seededRandom } from '../../src/shared/random.ts';
import type { CallReport, CallTerms, ExpertResult } from '../../src/shared/tasks.ts';
import { flush } from './drive.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeModels } from './fake-models.ts';
import { testDomain } from './make-planner.ts';

const NEVER = new AbortController().signal;

/** A call that ended with a vote. */
export function voted(totalMs = 100, report: Partial<CallReport> = {}): ExpertResult {
  return { ok: true, vote: { action: 'flee', reason: '' }, report: { totalMs, ...report } };
}

export function failed(
  code: ErrorCode,
  { retryable = false, ...report }: { retryable?: boolean } & Partial<CallReport> = {},
): ExpertResult {
  return { ok: false, error: { code, message: code, retryable }, report: { totalMs: 100, ...report } };
}

/** One try of a call, open until the test ends it. */
export interface OpenTry {
  readonly at: string;
  readonly terms: CallTerms;
  readonly signal: AbortSignal;
  readonly end: (result: ExpertResult | Promise<never>) => Promise<void>;
}

/** The real maker of calls over the real endpoints `a`, `b` and `c`; what models do is up to the test. */
export class MakerUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly parts: FlightParts;
  readonly attempts = new AttemptLog();
  readonly tries: OpenTry[] = [];
  readonly slots: Slot[] = [];

  constructor(on: readonly FeatureName[] = [], more: Partial<PlannerOptions> = {}) {
    const baseURL = 'http://127.0.0.1:9/v1';
    const options = resolveOptions({
      domain: testDomain,
      endpoints: { a: { baseURL }, b: { baseURL }, c: { baseURL } },
      experts: [],
      features: { ...allFeatures(false), ...Object.fromEntries(on.map((name) => [name, true])) },
      ...more,
    });
    const models = new FakeModels(this.clock, () => ({ kind: 'stuck' }));
    this.parts = makeParts(options, { clock: this.clock, random: seededRandom(1), pool: models, callers: new Map() });
  }

  at(name: string): ModelEndpoint {
    return this.parts.endpoints.get(name) as ModelEndpoint;
  }

  /** A call of model `m` at `a`, as far as nothing else is said. */
  make(plan: Partial<CallPlan> = {}, signal: AbortSignal = NEVER): Promise<ExpertResult> {
    const nowMs = this.clock.now();
    const whole: CallPlan = {
      subject: { step: 'expert', role: 'one', model: 'm', endpoint: 'a' },
      alternatives: [],
      kind: 'text',
      ceilingMs: 5_000,
      endMs: nowMs + 10_000,
      lane: 'foreground',
      rankMs: nowMs + 10_000,
      deadlineMs: nowMs + 10_000,
      holder: this.holder(false),
      query: { run: ({ endpoint }, terms, calling) => this.#open(endpoint, terms, calling) },
      ...plan,
    };
    return this.parts.maker.make(whole, this.attempts, signal);
  }

  /** Has a call made, and nobody waits for it where it `isLate`. */
  holder(isLate: boolean): CallHolder {
    return { isLate, waits: () => {}, works: (slot) => this.slots.push(slot), giveUp: () => {} };
  }

  #open(at: string, terms: CallTerms, signal: AbortSignal): Promise<ExpertResult> {
    return new Promise((resolve) => {
      const end = async (result: ExpertResult | Promise<never>): Promise<void> => {
        resolve(result);
        await flush();
      };
      this.tries.push({ at, terms, signal, end });
      const onAbort = (): void => resolve(failed('ERR_CANCELLED'));
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** The latest try. */
  get last(): OpenTry {
    return this.tries.at(-1) as OpenTry;
  }

  /** Where tries were made, in their order. */
  get asked(): string[] {
    return this.tries.map(({ at }) => at);
  }

  get codes(): string[] {
    return this.attempts.snapshot(this.clock.now(), 0).map(({ endpoint, code }: Attempt) => `${endpoint} ${code}`);
  }

  /** A slot, at once or never. */
  takeSlot(name: string): Slot {
    const slot = this.at(name).gate.acquire(NEVER);
    if (slot === undefined || slot instanceof Promise) throw new Error(`no slot of ${name} is free`);
    return slot;
  }

  /** A call of `m` that was made before, as if it were known to be loaded. Failures are of different causes. */
  saw(name: string, result: ExpertResult, times = 1): void {
    for (let nth = 0; nth < times; nth++) {
      const at = this.at(name);
      if (!result.ok) this.clock.advance(150);
      at.tryEnter();
      at.ended('m', 'text', result, this.takeSlot(name), true, { isCold: false });
    }
  }

  /** Nothing is at work or waits, and no timer is set. */
  get isAtRest(): boolean {
    const gates = [...this.parts.endpoints.values()].map(({ gate }) => gate);
    return gates.every(({ busy, waiting }) => busy + waiting === 0) && this.clock.pendingTimers === 0;
  }
}
