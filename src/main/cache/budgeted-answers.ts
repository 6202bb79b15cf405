import type { Domain } from '../../shared/domain.ts';
import { sceneOf } from '../../shared/domain.ts';
import { fingerprintNumber, type Placer, type StatePoint } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, type Signer } from '../../shared/signature.ts';
import type { Lookup, StoreEntry } from '../../shared/store/store-reader.ts';
import type { DecisionMemory } from './decision-memory.ts';
import type { Circumstances, HabitPlace, Momentum } from './evidence/evidence.ts';
import type { HitJudge, HitJudgement } from './evidence/hit-judge.ts';
import { type AgentMemory, isUnchanged } from './loop-guard.ts';
import type { NearAnswers } from './similar/near-answers.ts';

export interface BudgetedParts {
  readonly domain: Domain;
  readonly habit: boolean;
  readonly judge: HitJudge;
  readonly memory: DecisionMemory;
  readonly near: NearAnswers;
  readonly placer: Placer;
  readonly signer: Signer;
}

/** What is known of an agent when it asks. */
export interface AskingAgent {
  readonly memory: AgentMemory | undefined;
  /** The action that must not be served, because it had no effect twice. */
  readonly inVain: string | undefined;
  readonly nowMs: number;
}

/** What evidence says about a request. */
export interface BudgetedAnswer {
  /** Undefined if the request is not judged, because it has too many actions. */
  readonly judgement: HitJudgement | undefined;
  /** The fresh entry that it rests on. Undefined for a habit, which rests on the latest decisions in whatever state. */
  readonly base: StoreEntry | undefined;
  /** Why the prediction may not be served, whatever its risk, if its risk alone would allow it. */
  readonly heldBackBy: 'loopsBroken' | 'contradicted' | undefined;
}

/** Looks for answers within an error budget, where evidence decides what is served. */
export class BudgetedAnswers {
  readonly #parts: BudgetedParts;
  /** Names of the domain's flags. */
  readonly #flags: readonly string[];
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);

  constructor(parts: BudgetedParts) {
    this.#parts = parts;
    const { features } = parts.domain;
    this.#flags = Object.keys(features).filter((name) => features[name]?.kind === 'flag');
  }

  /** Judges what is known of the state, or of one with equal gates. If neither has a fresh decision, judges what is usually done. */
  look(request: PlanRequest, signature: Signature, exact: Lookup, asking: AskingAgent): BudgetedAnswer {
    const place = this.#place(request);
    if (place === undefined) return { judgement: undefined, base: undefined, heldBackBy: undefined };
    const { judge } = this.#parts;
    const circumstances = {
      ...this.#circumstances(request, signature, place, asking.memory),
      ...(this.#parts.habit ? { habit: this.#habitPlace(request, asking.nowMs) } : {}),
    };
    const predicted = judge.predict(request.actions, circumstances);
    const base = predicted.prediction && (exact.kind === 'hit' ? exact.entry : this.#neighbour(place, asking.nowMs));
    if (base !== undefined) return { ...this.#judged(request, predicted, asking), base };
    const usual = judge.predictHabit(request.actions, circumstances);
    if (usual.prediction !== undefined) return { ...this.#judged(request, usual, asking), base };
    return { judgement: predicted, base, heldBackBy: undefined };
  }

  /** The action that evidence would serve for a state that has a fresh decision. Counts nothing. */
  peek(request: PlanRequest, signature: Signature, { memory, inVain }: Omit<AskingAgent, 'nowMs'>): string | undefined {
    const { judge } = this.#parts;
    const place = this.#place(request);
    if (place === undefined) return undefined;
    const circumstances = this.#circumstances(request, signature, place, memory);
    const { prediction } = judge.predict(request.actions, circumstances);
    if (prediction === undefined || !judge.allows(prediction, circumstances)) return undefined;
    return this.#isForbidden(request, prediction.action, inVain) ? undefined : prediction.action;
  }

  /** Learns a decision for a state that no agent is in yet. It is part of no habit: what the agent will have done last is not known. */
  foreseen(request: PlanRequest, signature: Signature, action: string): void {
    const { judge } = this.#parts;
    const place = this.#place(request);
    if (place === undefined) return;
    judge.learn(judge.predict(request.actions, this.#circumstances(request, signature, place, undefined)), action);
  }

  /** Judges a prediction, unless it may not be served anyway. */
  #judged(request: PlanRequest, predicted: HitJudgement, { inVain }: AskingAgent): Omit<BudgetedAnswer, 'base'> {
    const { judge } = this.#parts;
    const { prediction } = predicted;
    if (prediction === undefined) return { judgement: predicted, heldBackBy: undefined };
    const forbidden = this.#isForbidden(request, prediction.action, inVain);
    if (forbidden === undefined) return { judgement: judge.judge(predicted), heldBackBy: undefined };
    return {
      judgement: predicted,
      heldBackBy: judge.allows(prediction, predicted.circumstances) ? forbidden : undefined,
    };
  }

  #isForbidden(request: PlanRequest, action: string, inVain: string | undefined): BudgetedAnswer['heldBackBy'] {
    if (action === inVain) return 'loopsBroken';
    return this.#parts.near.contradicts(request, action) ? 'contradicted' : undefined;
  }

  /** Returns a fresh entry with equal gates at any distance: with a budget, evidence decides how much distance matters. */
  #neighbour(place: StatePoint, nowMs: number): StoreEntry | undefined {
    return this.#parts.memory.nearest(place, Number.POSITIVE_INFINITY, nowMs, () => true)?.entry;
  }

  #place({ observation, actions }: PlanRequest): StatePoint | undefined {
    return this.#parts.placer.place(observation, actions);
  }

  #circumstances(
    { observation, actions }: PlanRequest,
    signature: Signature,
    { gate: gates }: StatePoint,
    memory: AgentMemory | undefined,
  ): Circumstances {
    const actionSet = fingerprintNumber(this.#parts.signer.signActions(actions, this.#words));
    const momentum = memory && momentumOf(memory, signature);
    const scene = sceneOf(this.#parts.domain, observation);
    return { scene, state: fingerprintNumber(signature), gates, actionSet, momentum };
  }

  #habitPlace({ observation }: PlanRequest, atMs: number): HabitPlace {
    const openGates = fingerprintNumber(this.#parts.signer.signGates(observation, NO_ACTIONS, this.#words));
    const flags = this.#flags
      .map((name) => (observation[name] === undefined ? '-' : Number(observation[name])))
      .join('');
    return { flags, openGates, atMs };
  }
}

const NO_ACTIONS: readonly string[] = [];

function momentumOf(memory: AgentMemory, signature: Signature): Momentum {
  const { action, repeats, streak } = memory;
  return { action, repeats, streak, isUnchanged: isUnchanged(memory, signature) };
}
