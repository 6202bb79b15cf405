import { clip } from '../../shared/clip.ts';
import { rounded } from '../measure/shares.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { Plan } from '../plans/plan.ts';

/** A plan as shown: what was decided and how, without the agent's observation. */
export interface ShownPlan extends Omit<Plan, 'attempts' | 'foreseen'> {
  /** When it settled, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** The attempts, at most 32, those that were made ahead first. */
  readonly attempts: readonly Attempt[];
  /** Number of all attempts. */
  readonly attemptCount: number;
}

/** Maximum number of kept plans that asked models. */
const ASKED_MAX = 100;
/** Maximum number of kept plans that were answered from the cache. */
const REMEMBERED_MAX = 20;
/** Maximum number of new plans of each kind between two samples: the latest of those that asked models, the first of the others. */
const NEW_ASKED_MAX = 40;
const NEW_REMEMBERED_MAX = 4;
const ATTEMPTS_MAX = 32;
const TEXT_MAX = 300;

interface Noted {
  readonly plan: Plan;
  readonly atMs: number;
}

/**
 * The last plans. Recording one is at most a push to a short list, because cached plans come by the hundred thousand a second. The few that are kept
 * are prepared for display once per sample.
 */
export class LatestPlans {
  readonly #wallNow: () => number;
  readonly #asked: Noted[] = [];
  readonly #remembered: Noted[] = [];
  readonly #shownAsked: ShownPlan[] = [];
  readonly #shownRemembered: ShownPlan[] = [];
  #nextAsked = 0;

  constructor(wallNow: () => number) {
    this.#wallNow = wallNow;
  }

  note(plan: Plan): void {
    if (attemptsOf(plan).length > 0) {
      this.#asked[this.#nextAsked] = { plan, atMs: this.#wallNow() };
      this.#nextAsked = (this.#nextAsked + 1) % NEW_ASKED_MAX;
    } else if (this.#remembered.length < NEW_REMEMBERED_MAX) {
      this.#remembered.push({ plan, atMs: this.#wallNow() });
    }
  }

  /** The new plans that are kept, oldest first. */
  collect(): ShownPlan[] {
    const asked = this.#asked.splice(0).sort(byId).map(shown);
    const remembered = this.#remembered.splice(0).map(shown);
    this.#nextAsked = 0;
    append(this.#shownAsked, asked, ASKED_MAX);
    append(this.#shownRemembered, remembered, REMEMBERED_MAX);
    return [...asked, ...remembered].sort((a, b) => a.id - b.id);
  }

  /** All plans that are kept, oldest first. */
  plans(): ShownPlan[] {
    return [...this.#shownAsked, ...this.#shownRemembered].sort((a, b) => a.id - b.id);
  }
}

/** How models were asked about its state, ahead of the request and since. */
function attemptsOf({ attempts, foreseen }: Plan): readonly Attempt[] {
  return foreseen === undefined ? attempts : [...foreseen, ...attempts];
}

function byId(a: Noted, b: Noted): number {
  return a.plan.id - b.plan.id;
}

function append(list: ShownPlan[], added: readonly ShownPlan[], max: number): void {
  list.push(...added);
  list.splice(0, list.length - max);
}

function shown({ plan, atMs }: Noted): ShownPlan {
  const {
    agent,
    action,
    reason,
    why,
    latencyMs,
    latenessMs,
    attempts: _attempts,
    foreseen: _foreseen,
    ageMs,
    ...rest
  } = plan;
  const attempts = attemptsOf(plan);
  return {
    ...rest,
    agent: clip(agent, TEXT_MAX),
    action: clip(action, TEXT_MAX),
    reason: clip(reason, TEXT_MAX),
    ...(why === undefined ? {} : { why: { code: why.code, message: clip(why.message, TEXT_MAX) } }),
    latencyMs: rounded(latencyMs),
    latenessMs: rounded(latenessMs),
    ...(ageMs === undefined ? {} : { ageMs: Math.round(ageMs) }),
    atMs: Math.round(atMs),
    attempts: attempts.slice(0, ATTEMPTS_MAX).map(shownAttempt),
    attemptCount: attempts.length,
  };
}

function shownAttempt(attempt: Attempt): Attempt {
  const { startMs, waitMs, latencyMs, queueMs, firstTokenMs, message, action, ...rest } = attempt;
  return {
    ...rest,
    startMs: rounded(startMs),
    waitMs: rounded(waitMs),
    latencyMs: rounded(latencyMs),
    ...(queueMs === undefined ? {} : { queueMs: rounded(queueMs) }),
    ...(firstTokenMs === undefined ? {} : { firstTokenMs: rounded(firstTokenMs) }),
    ...(message === undefined ? {} : { message: clip(message, TEXT_MAX) }),
    ...(action === undefined ? {} : { action: clip(action, TEXT_MAX) }),
  };
}
