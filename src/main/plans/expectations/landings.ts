import { LRUCache } from 'lru-cache';
import { type Domain, imageFeaturesOf, sceneOf } from '../../../shared/domain.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Signature } from '../../../shared/signature.ts';
import { recordOfScene } from '../../cache/false-hits.ts';
import type { PlanCache } from '../../cache/plan-cache.ts';
import { legalAction } from '../../cache/remembered-action.ts';
import { charsOf, keptRequest } from '../kept-request.ts';
import { type Answer, bestInHand } from '../ladder/best-in-hand.ts';
import type { Landing } from '../plan.ts';
import type { Settling } from '../plan-call.ts';

/**
 * Compares each plan, in the turn in which it settles, with the newest state of its agent that is known. If the agent's host told
 * that state by `observe`, a plan that does not fit gets an action that is legal there.
 */
const AGENTS_MAX = 10_000;
const CHARS_MAX = 32_000_000;

interface NewestState extends Pick<Settling, 'request' | 'signature'> {
  /** Whether the agent's host calls `observe`. */
  readonly isTold: boolean;
  /** Plans of the agent that wait. */
  waiting: number;
}

export interface LandingCounts {
  /** The agent was still in the state that the plan was asked for. */
  readonly fits: number;
  /** It was in another state, in which the action was still possible. */
  readonly moved: number;
  /** It was in another state, in which the action was not possible. */
  readonly illegal: number;
}

export interface LandingStats extends LandingCounts {
  /** Plans that got another answer, because they did not fit. */
  readonly chosenAnew: number;
  readonly scenes: readonly (LandingCounts & { readonly scene: string })[];
}

/** How a plan landed; without `landing`, no state of its agent is known. */
export interface Landed {
  readonly answer: Answer;
  readonly landing?: Landing;
  /** The state for which the answer was chosen anew. */
  readonly state?: Pick<Settling, 'request' | 'signature'>;
}

type Counts = Record<Landing, number>;

export class Landings {
  readonly #domain: Domain;
  readonly #imageNames: readonly string[];
  readonly #cache: PlanCache | undefined;
  readonly #states = new LRUCache<string, NewestState>({
    max: AGENTS_MAX,
    maxSize: CHARS_MAX,
    sizeCalculation: ({ request }) => charsOf(request),
  });
  readonly #total = noCounts();
  readonly #scenes = new Map<string, Counts>();
  #chosenAnew = 0;

  constructor(domain: Domain, cache: PlanCache | undefined) {
    this.#domain = domain;
    this.#imageNames = imageFeaturesOf(domain);
    this.#cache = cache;
  }

  /** The host tells the state that an agent is in. Both are copied. */
  observe(request: PlanRequest, signature: Signature): void {
    this.#set(request, signature, { isTold: true, waiting: this.#states.get(request.agent)?.waiting ?? 0 });
  }

  /** A plan starts to wait: its agent is in this state. */
  waits({ request, signature }: Settling): void {
    const { isTold = false, waiting = 0 } = this.#states.get(request.agent) ?? {};
    this.#set(request, signature, { isTold, waiting: waiting + 1 });
  }

  /** The cache answers immediately. */
  served({ request, signature }: Settling): Landing | undefined {
    const state = this.#states.size === 0 ? undefined : this.#states.get(request.agent);
    if (state === undefined) return undefined;
    this.#set(request, signature, state);
    return this.#counted(request, 'fits');
  }

  /** A plan that waited ended without an answer. */
  left({ agent }: PlanRequest): void {
    const state = this.#states.get(agent);
    if (state === undefined) return;
    state.waiting = Math.max(0, state.waiting - 1);
    if (state.waiting === 0 && !state.isTold) this.#states.delete(agent);
  }

  /** A plan that waited settles with this answer, or with another one if it does not fit. */
  landed({ request, signature }: Settling, answer: Answer): Landed {
    const newest = this.#states.get(request.agent);
    this.left(request);
    if (newest === undefined) return { answer };
    const landing = this.#counted(request, landingOf(newest, signature, answer.action));
    if (!newest.isTold) return landing === 'fits' ? { answer } : { answer, landing };
    if (landing === 'fits') return { answer, landing };
    const anew = this.#anew(newest, answer, landing);
    if (anew !== answer) this.#chosenAnew++;
    return { answer: anew, landing, state: newest };
  }

  stats(): LandingStats {
    const scenes = [...this.#scenes].map(([scene, counts]) => ({ scene, ...counts }));
    return { ...this.#total, chosenAnew: this.#chosenAnew, scenes };
  }

  /** Pictures are not kept: nothing that serves without a model looks at them. */
  #set(request: PlanRequest, signature: Signature, rest: Pick<NewestState, 'isTold' | 'waiting'>): void {
    const { isTold, waiting } = rest;
    const kept = this.#imageNames.length === 0 ? request : this.#withoutPictures(request);
    this.#states.set(request.agent, { request: keptRequest(kept), signature: signature.slice(), isTold, waiting });
  }

  #withoutPictures(request: PlanRequest): PlanRequest {
    if (this.#imageNames.every((name) => request.observation[name] === undefined)) return request;
    const kept = Object.entries(request.observation).filter(([name]) => !this.#imageNames.includes(name));
    const { agent, actions, qValues } = request;
    return { agent, observation: Object.fromEntries(kept), actions, ...(qValues && { qValues }) };
  }

  /** The cache, then what models decided for the state before if it is possible still, then the last rungs. */
  #anew({ request, signature }: NewestState, answer: Answer, landing: Landing): Answer {
    const known = this.#cache?.peek(request, signature);
    if (known !== undefined) {
      const { action, reason, model, decidedAtMs } = known;
      return { action, source: 'cache', reason, decidedAtMs, ...(model === '' ? {} : { model }) };
    }
    const isOfModels = answer.source !== 'heuristic' && answer.source !== 'stale';
    if (landing === 'moved' && isOfModels) return answer;
    const last = bestInHand(request, { decision: undefined, votes: [], stale: this.#cache?.expired(signature) });
    return { ...last, reason: `the state has changed: ${last.reason}`, why: answer.why ?? CHANGED };
  }

  #counted({ observation }: PlanRequest, landing: Landing): Landing {
    this.#total[landing]++;
    recordOfScene(this.#scenes, sceneOf(this.#domain, observation), noCounts)[landing]++;
    return landing;
  }
}

const CHANGED = {
  code: 'state-changed',
  message: 'the agent came into another state while models decided, and their action is not possible there',
} as const;

function landingOf({ request, signature }: NewestState, asked: Signature, action: string): Landing {
  if (signature.every((word, index) => word === asked[index])) return 'fits';
  return legalAction(request, action) === undefined ? 'illegal' : 'moved';
}

function noCounts(): Counts {
  return { fits: 0, moved: 0, illegal: 0 };
}
