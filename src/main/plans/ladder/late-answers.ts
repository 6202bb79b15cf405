import { LRUCache } from 'lru-cache';
import type { Domain } from '../../../shared/domain.ts';
import { Placer } from '../../../shared/place.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Signature, Signer, signatureText } from '../../../shared/signature.ts';
import type { Near } from '../../cache/look.ts';
import { legalAction } from '../../cache/remembered-action.ts';
import { wilson } from '../../measure/wilson.ts';

/**
 * Stand-ins for when no model answered in time: what models answer for a recent state of the agent (the rung `late`), or what is
 * remembered for a near state although it has not earned being served before models. Whether this is better than the next rung is
 * measured: each time models decide for a state, the decision is compared with what the stand-in and the next rung would have
 * answered. A stand-in serves while it was right clearly more often in the cases in which only one of the two was right: late
 * answers by their age and by whether their state is near (equal gates), remembered ones by their distance. All kinds start
 * unserved except one: an answer for the same state from an earlier request needs no evidence.
 */
export interface LateAnswer {
  readonly action: string;
  readonly reason: string;
  readonly model: string;
}

/** Model work for a state that an agent was in. */
export interface RecentWork {
  readonly signature: Signature;
  readonly gate: number | undefined;
  readonly askedAtMs: number;
  /** Returns the models' answer so far. The flight replaces it when it has ended, so that nothing else is kept in memory. */
  answer: () => LateAnswer | undefined;
  isEnded: boolean;
}

export interface LateCandidate extends LateAnswer {
  readonly ageMs: number;
  /** The kind under which it is compared. */
  readonly kind: string;
}

/** What a stand-in and the next rung would have answered when no model decided in time. */
interface Comparison {
  readonly kind: string;
  readonly standIn: string;
  readonly next: string;
}

interface Tally {
  /** Number of comparisons in which only the late answer was right (`nextOnly`: only the next rung); older ones fade. */
  lateOnly: number;
  nextOnly: number;
  compared: number;
}

export interface LateStats {
  readonly kind: string;
  readonly compared: number;
  readonly lateOnly: number;
  readonly nextOnly: number;
  readonly serves: boolean;
}

const AGENTS_MAX = 10_000;
/** Maximum states of an agent about which models are asked: a model may be this many steps behind. */
const STATES_MAX = 64;
const SHADOWS_MAX = 1_000;
/** An answer for an older state is useless. */
const AGE_MS_MAX = 60_000;
/** Ages are grouped by doublings of this. */
const AGE_MS_UNIT = 125;
/** Share of older comparisons that remains after each new one. */
const FADING = 0.99;
/** A kind with fewer comparisons in which the two differed is judged by what it is pooled with. */
const DIFFERED_MIN = 4;
/** The one-sided bound on the share won is this many standard errors below it. */
const Z = 1.28;
const ALL = 'all';
const LATE_GROUPS: ReadonlySet<string> = new Set(['near', 'far']);
/** Distances are grouped by tenths. */
const DISTANCE_STEPS = 10;
/** The kind of an answer for the same state from an earlier request, which needs no evidence. */
const SAME = 'same';
/** Maximum age of such an answer, below that of any expired decision; older ones are served by the cache. */
const SAME_MS_MAX = 5_000;

export class LateAnswers {
  readonly #signer: Signer;
  readonly #placer: Placer;
  readonly #recent = new LRUCache<string, RecentWork[]>({ max: AGENTS_MAX });
  readonly #shadows = new LRUCache<string, Comparison[]>({ max: SHADOWS_MAX });
  readonly #tallies = new Map<string, Tally>();

  constructor(domain: Domain) {
    this.#signer = new Signer(domain);
    this.#placer = new Placer(domain, this.#signer);
  }

  /** Models are asked about the state of a request; `answer` returns their answer at any later time. */
  asked(request: PlanRequest, signature: Signature, askedAtMs: number, answer: RecentWork['answer']): RecentWork {
    const work: RecentWork = { signature, gate: this.#gateOf(request), askedAtMs, answer, isEnded: false };
    this.#recent.set(request.agent, [...stillOfUse(this.#recent.get(request.agent) ?? []), work]);
    return work;
  }

  /** The newest answer that models gave for a state of the request's agent, if it is legal now. */
  candidate(request: PlanRequest, signature: Signature, nowMs: number): LateCandidate | undefined {
    const recent = this.#recent.get(request.agent);
    for (const work of recent?.toReversed() ?? []) {
      const ageMs = nowMs - work.askedAtMs;
      if (ageMs > AGE_MS_MAX) return undefined;
      const answer = work.answer();
      if (answer === undefined) continue;
      const action = legalAction(request, answer.action);
      if (action === undefined) return undefined;
      if (signatureText(work.signature) === signatureText(signature)) {
        return ageMs > SAME_MS_MAX ? undefined : { ...answer, action, ageMs, kind: SAME };
      }
      const isNear = work.gate !== undefined && work.gate === this.#gateOf(request);
      const age = Math.max(0, Math.round(Math.log2(Math.max(ageMs, 1) / AGE_MS_UNIT)));
      return { ...answer, action, ageMs, kind: `${isNear ? 'near' : 'far'} ${age}` };
    }
    return undefined;
  }

  /** Whether evidence shows that stand-ins of a kind beat the next rung. */
  serves(kind: string): boolean {
    if (kind === SAME) return true;
    for (const name of poolsOf(kind)) {
      const tally = this.#tallies.get(name);
      if (tally !== undefined && tally.lateOnly + tally.nextOnly >= DIFFERED_MIN) return isBetter(tally);
    }
    return false;
  }

  /** A plan was answered without a model: keeps what the two rungs answered until models decide for its state. */
  shadow(signature: Signature, comparison: Comparison): void {
    if (comparison.kind === SAME) return;
    const key = signatureText(signature);
    const others = (this.#shadows.get(key) ?? []).filter(({ kind }) => kind !== comparison.kind);
    this.#shadows.set(key, [...others, comparison]);
  }

  /** Models decided for this state. Returns the kinds that were compared. */
  decided(signature: Signature, action: string): ReadonlySet<string> {
    const key = signatureText(signature);
    const comparisons = this.#shadows.get(key) ?? [];
    for (const comparison of comparisons) this.compare(comparison, action);
    this.#shadows.delete(key);
    return new Set(comparisons.map(({ kind }) => kind));
  }

  /** Compares a decision with what a stand-in and the next rung would have answered. */
  compare({ kind, standIn, next }: Comparison, decided: string): void {
    for (const name of poolsOf(kind)) {
      const tally = this.#tallies.get(name) ?? { lateOnly: 0, nextOnly: 0, compared: 0 };
      this.#tallies.set(name, tally);
      tally.compared++;
      tally.lateOnly = tally.lateOnly * FADING + (standIn === decided && next !== decided ? 1 : 0);
      tally.nextOnly = tally.nextOnly * FADING + (next === decided && standIn !== decided ? 1 : 0);
    }
  }

  clear(): void {
    this.#recent.clear();
    this.#shadows.clear();
    this.#tallies.clear();
  }

  stats(): LateStats[] {
    return [...this.#tallies].map(([kind, tally]) => ({
      kind,
      compared: tally.compared,
      lateOnly: Math.round(tally.lateOnly * 10) / 10,
      nextOnly: Math.round(tally.nextOnly * 10) / 10,
      serves: isBetter(tally),
    }));
  }

  #gateOf(request: PlanRequest): number | undefined {
    return this.#placer.place(request.observation, request.actions)?.gate;
  }
}

/** Work that may still give the newest answer: unfinished work, and the newest with an answer. */
function stillOfUse(works: readonly RecentWork[]): RecentWork[] {
  const newest = works.findLastIndex(({ isEnded, answer }) => isEnded && answer() !== undefined);
  return works
    .slice(Math.max(0, newest))
    .filter((work, index) => index === 0 || !work.isEnded)
    .slice(1 - STATES_MAX);
}

/** The kind and what it is pooled with while it has little evidence; remembered answers have pools of their own. */
function poolsOf(kind: string): string[] {
  const [group = ''] = kind.split(' ');
  return LATE_GROUPS.has(group) ? [kind, `${group} ${ALL}`, ALL] : [kind, `${group} ${ALL}`];
}

/** The kind of an answer remembered for a near state. */
export function kindOfNear({ kind, distance }: Near): string {
  return `${kind} ${Math.ceil(distance * DISTANCE_STEPS)}`;
}

function isBetter(tally: Tally | undefined): boolean {
  if (tally === undefined) return false;
  const differed = tally.lateOnly + tally.nextOnly;
  return differed >= DIFFERED_MIN && wilson(tally.lateOnly, differed, Z).low > 0.5;
}
