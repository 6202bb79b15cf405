import { LRUCache } from 'lru-cache';
import { fingerprintNumber } from '../../shared/place.ts';
import type { Signature } from '../../shared/signature.ts';
import { Visits } from './visits.ts';

/**
 * What the cache knows of an agent: the state it was last in and what it did there. An agent that comes back in the same
 * state after an action has shown that the action did nothing; a cache that serves it again and again would lock the
 * agent in a loop. Bounded: the agents seen last are remembered, `agentsMax` of them.
 */
export interface AgentMemory {
  readonly signature: Int32Array;
  scene: string;
  action: string;
  /** How many times in a row the action was taken while the state stayed the same. */
  repeats: number;
  /** How many times in a row the action was taken, in whatever states. */
  streak: number;
  /** Since when the agent is in this state, milliseconds of the process clock. */
  sinceMs: number;
  /** Whether the action was an answer of memory. */
  isFromMemory: boolean;
  /** Where it was of late; kept from its second state on. */
  visits: Visits | undefined;
}

/** A state that an agent has left. */
export interface Dwell {
  readonly scene: string;
  readonly ms: number;
}

/**
 * Models were asked about a cycle and insisted on what goes round in it: it is right there, as far as anybody knows, whoever
 * the agent is. The next cycles of that state are let pass, twice as many each time, so that a world of few states does
 * not have its models asked at every turn.
 */
interface Insisted {
  readonly action: string;
  readonly passesMax: number;
  passesLeft: number;
}

const PASSES_AT_FIRST = 4;
const PASSES_MAX = 256;
/** States about which models insisted; the ones asked about longest ago are forgotten. */
const INSISTED_MAX = 4_096;

/** An action without effect is served once more, for the world may lag, and never a third time. */
export const REPEATS_MAX = 2;

export class LoopGuard {
  readonly #agents: LRUCache<string, AgentMemory>;
  readonly #insisted = new LRUCache<number, Insisted>({ max: INSISTED_MAX });
  /** Who was asked about last: an agent's plan asks twice. */
  #lastAgent = '';
  #lastMemory: AgentMemory | undefined;

  constructor(agentsMax: number) {
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** What the agent did last, if it is remembered. */
  recall(agent: string): AgentMemory | undefined {
    if (agent !== this.#lastAgent) {
      this.#lastAgent = agent;
      this.#lastMemory = this.#agents.get(agent);
    }
    return this.#lastMemory;
  }

  /** The agent is in this state and takes this action. How long the state before lasted, if it was another one. */
  took(
    agent: string,
    signature: Signature,
    scene: string,
    action: string,
    nowMs: number,
    isFromMemory = false,
  ): Dwell | undefined {
    const memory = this.recall(agent);
    if (memory === undefined) {
      this.#lastMemory = {
        signature: signature.slice(),
        scene,
        action,
        repeats: 1,
        streak: 1,
        sinceMs: nowMs,
        isFromMemory,
        visits: undefined,
      };
      this.#agents.set(agent, this.#lastMemory);
      return undefined;
    }
    const isSameAction = memory.action === action;
    const isSameState = isUnchanged(memory, signature);
    memory.repeats = isSameAction && isSameState ? memory.repeats + 1 : 1;
    memory.streak = isSameAction ? memory.streak + 1 : 1;
    if (isSameState) memory.visits?.stayed(action, isFromMemory);
    else {
      memory.visits ??= visitsFrom(memory);
      memory.visits.entered(fingerprintNumber(signature), action, isFromMemory);
    }
    memory.action = action;
    memory.isFromMemory = isFromMemory;
    if (isSameState) return undefined;
    memory.signature.set(signature);
    const left: Dwell = { scene: memory.scene, ms: nowMs - memory.sinceMs };
    memory.scene = scene;
    memory.sinceMs = nowMs;
    return left;
  }

  /**
   * Whether the same answer came from memory in this state again and again, while the agent saw nothing new, and models have
   * not insisted on it lately. Changes nothing.
   */
  isCycle(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    return this.#passOf(memory, signature, action) === 'none';
  }

  /** The same, where the answer is served if it is none: uses up one of the cycles that are let pass. */
  goesRound(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    const pass = this.#passOf(memory, signature, action);
    if (pass === 'none') return true;
    if (pass !== undefined) pass.passesLeft--;
    return false;
  }

  /** What lets a cycle pass, or that nothing does; undefined where there is no cycle. */
  #passOf(memory: AgentMemory | undefined, signature: Signature, action: string): Insisted | 'none' | undefined {
    if (memory?.visits === undefined) return undefined;
    const state = fingerprintNumber(signature);
    if (!memory.visits.isCycle(state, action)) return undefined;
    const insisted = this.#insisted.get(state);
    return insisted?.action === action && insisted.passesLeft > 0 ? insisted : 'none';
  }

  /** What models say of a cycle, who were told what goes round in it. */
  answered(signature: Signature, action: string, tried: string | undefined): void {
    const state = fingerprintNumber(signature);
    if (action !== tried) {
      this.#insisted.delete(state);
      return;
    }
    const before = this.#insisted.get(state);
    const passesMax = before?.action === action ? Math.min(PASSES_MAX, 2 * before.passesMax) : PASSES_AT_FIRST;
    this.#insisted.set(state, { action, passesMax, passesLeft: passesMax });
  }

  clear(): void {
    this.#insisted.clear();
    this.#agents.clear();
    this.#lastAgent = '';
    this.#lastMemory = undefined;
  }
}

function visitsFrom({ signature, action, isFromMemory }: AgentMemory): Visits {
  const visits = new Visits();
  visits.entered(fingerprintNumber(signature), action, isFromMemory);
  return visits;
}

/** Whether the agent is still in the state in which it took its last action. */
export function isUnchanged(memory: AgentMemory, signature: Signature): boolean {
  const was = memory.signature;
  return was[0] === signature[0] && was[1] === signature[1] && was[2] === signature[2] && was[3] === signature[3];
}

/** The action that may not be served now: taken twice already in this state, which did not change. */
export function actionInVain(memory: AgentMemory | undefined, signature: Signature): string | undefined {
  if (memory === undefined || memory.repeats < REPEATS_MAX || !isUnchanged(memory, signature)) return undefined;
  return memory.action;
}
