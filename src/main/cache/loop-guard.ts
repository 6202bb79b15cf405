import { LRUCache } from 'lru-cache';
import type { Clock } from '../../shared/clock.ts';
import { fingerprintNumber } from '../../shared/place.ts';
import type { Signature } from '../../shared/signature.ts';
import type { AgentAct, AgentNews } from './decision-journal.ts';
import { areAll, inChunks, type LearnedPart } from './learned/learned-part.ts';
import { isSavedAgent, isSavedInsistence, memoryOf, type SavedAgent, savedAgent } from './saved-agents.ts';
import { Visits } from './visits.ts';

/**
 * What the cache knows about an agent: its last state and what it did there. If an agent is in the same state after an action,
 * the action had no effect; a cache that keeps serving it would lock the agent in a loop. Bounded: the `agentsMax` most recent
 * agents are remembered.
 */
export interface AgentMemory {
  readonly signature: Int32Array;
  scene: string;
  action: string;
  /** Number of times in a row that the action was taken while the state stayed the same. */
  repeats: number;
  /** Number of times in a row that the action was taken, in any state. */
  streak: number;
  /** When the agent entered this state, in milliseconds of the process clock. */
  sinceMs: number;
  /** When it last took an action there. */
  lastMs: number;
  /** Whether the action came from memory. */
  isFromMemory: boolean;
  /** The agent's recent states. Kept from its second state on. */
  visits: Visits | undefined;
  /** Whether its last act is among the news for other nodes. */
  isNews: boolean;
}

/** The stay of an agent in a state that it has left. */
export interface Dwell {
  readonly scene: string;
  readonly ms: number;
}

/**
 * An action that models confirmed when asked about a cycle: as far as is known it is right in that state, for any agent. The
 * next cycles of the state pass without asking, twice as many each time, so that models are not asked at every turn in a world
 * of few states.
 */
export interface Insisted {
  readonly action: string;
  readonly passesMax: number;
  passesLeft: number;
}

const PASSES_AT_FIRST = 4;
const PASSES_MAX = 256;
/** Maximum number of confirmed states. The ones asked about longest ago are forgotten. */
const INSISTED_MAX = 4_096;
/** Maximum number of agents, and of confirmed states, that are saved: the latest ones. */
const SAVED_MAX = 4_096;
/** Number of agents, and of confirmed states, that are saved in one value. */
const AGENTS_AT_ONCE = 100;
const INSISTED_AT_ONCE = 1_000;

/** Maximum number of agents whose last acts wait for other nodes. */
const NEWS_MAX = 128;

/** An action without effect is served once more, because the world may lag, but never a third time. */
export const REPEATS_MAX = 2;

export class LoopGuard {
  #agents: LRUCache<string, AgentMemory>;
  #insisted = new LRUCache<number, Insisted>({ max: INSISTED_MAX });
  /** The agent looked up last: a plan looks up its agent twice. */
  #lastAgent = '';
  #lastMemory: AgentMemory | undefined;
  /** Called when the first agent has acted since the news were taken last; undefined if no other node follows. */
  onNews: (() => void) | undefined;
  #news: [agent: string, memory: AgentMemory][] = [];
  #newsDropped = 0;

  constructor(agentsMax: number) {
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** Returns what the agent did last, if it is remembered. */
  recall(agent: string): AgentMemory | undefined {
    if (agent !== this.#lastAgent) {
      this.#lastAgent = agent;
      this.#lastMemory = this.#agents.get(agent);
    }
    return this.#lastMemory;
  }

  /** Records that the agent takes this action in this state. Returns its stay in the previous state, if that was another one. */
  took(
    agent: string,
    signature: Signature,
    scene: string,
    action: string,
    nowMs: number,
    isFromMemory = false,
  ): Dwell | undefined {
    const left = this.#took(agent, signature, scene, action, nowMs, isFromMemory);
    if (this.onNews !== undefined) this.#note(agent, this.#lastMemory as AgentMemory, this.onNews);
    return left;
  }

  #note(agent: string, memory: AgentMemory, onNews: () => void): void {
    if (memory.isNews) return;
    if (this.#news.length >= NEWS_MAX) return void this.#newsDropped++;
    memory.isNews = true;
    if (this.#news.push([agent, memory]) === 1) onNews();
  }

  /** Takes the last acts of agents since the last time, and the number of those that were dropped because there were too many. */
  takeNews(): AgentNews {
    const news = this.#news;
    this.#news = [];
    for (const [, memory] of news) memory.isNews = false;
    const dropped = this.#newsDropped;
    this.#newsDropped = 0;
    return { acts: news.map(([agent, memory]) => ({ ...memory, agent })), dropped };
  }

  /** Records what an agent did at another node, as if it had asked here. */
  heard(
    { agent, signature, scene, action, isFromMemory, repeats, streak }: AgentAct,
    nowMs: number,
  ): Dwell | undefined {
    const left = this.#took(agent, signature, scene, action, nowMs, isFromMemory);
    const memory = this.#lastMemory as AgentMemory;
    memory.repeats = Math.max(memory.repeats, repeats);
    memory.streak = Math.max(memory.streak, streak);
    return left;
  }

  #took(
    agent: string,
    signature: Signature,
    scene: string,
    action: string,
    nowMs: number,
    isFromMemory: boolean,
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
        lastMs: nowMs,
        isFromMemory,
        visits: undefined,
        isNews: false,
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
    memory.lastMs = nowMs;
    memory.isFromMemory = isFromMemory;
    if (isSameState) return undefined;
    memory.signature.set(signature);
    const left: Dwell = { scene: memory.scene, ms: nowMs - memory.sinceMs };
    memory.scene = scene;
    memory.sinceMs = nowMs;
    return left;
  }

  /**
   * Whether memory gave the same answer in this state repeatedly while the agent saw nothing new, and models have not recently
   * confirmed it. Changes nothing.
   */
  isCycle(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    return this.#passOf(memory, signature, action) === 'none';
  }

  /** Same as `isCycle`, for an answer that is served if false: uses up one of the cycles that may pass. */
  goesRound(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    const pass = this.#passOf(memory, signature, action);
    if (pass === 'none') return true;
    if (pass !== undefined) pass.passesLeft--;
    return false;
  }

  /** Returns the record that lets a cycle pass, `none` if nothing does, or undefined if there is no cycle. */
  #passOf(memory: AgentMemory | undefined, signature: Signature, action: string): Insisted | 'none' | undefined {
    if (memory?.visits === undefined) return undefined;
    const state = fingerprintNumber(signature);
    if (!memory.visits.isCycle(state, action)) return undefined;
    const insisted = this.#insisted.get(state);
    return insisted?.action === action && insisted.passesLeft > 0 ? insisted : 'none';
  }

  /** Records what models answered about a cycle, after they were shown the repeated action. */
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

  /** What outlives the process. An agent is not restored if it acted last longer than `lifeMs` ago. */
  learnedParts(clock: Clock, lifeMs: number): LearnedPart[] {
    return [
      {
        name: 'agents',
        saved: () => this.#savedAgents(clock),
        restore: (agents) => {
          if (!areAll(agents, isSavedAgent)) return false;
          for (const saved of agents) {
            const memory = memoryOf(saved, clock, lifeMs);
            if (memory !== undefined) this.#agents.set(saved.agent, memory);
          }
          return true;
        },
      },
      {
        name: 'insisted',
        saved: () => inChunks(latest(this.#insisted), INSISTED_AT_ONCE),
        restore: (states) => {
          if (!areAll(states, isSavedInsistence)) return false;
          for (const [state, insisted] of states) this.#insisted.set(state, insisted);
          return true;
        },
      },
    ];
  }

  *#savedAgents(clock: Clock): Generator<SavedAgent[]> {
    for (const agents of inChunks(latest(this.#agents), AGENTS_AT_ONCE)) {
      yield agents.map(([agent, memory]) => savedAgent(agent, memory, clock));
    }
  }

  /** Starts with new lists: to empty the old ones takes several times longer. */
  clear(): void {
    this.#insisted = new LRUCache({ max: INSISTED_MAX });
    this.#agents = new LRUCache({ max: this.#agents.max });
    this.#lastAgent = '';
    this.#lastMemory = undefined;
    this.#news = [];
  }
}

/** The entries used last, the oldest of them first. */
function latest<K extends {}, V extends {}>(map: LRUCache<K, V>): [K, V][] {
  const entries: [K, V][] = [];
  for (const entry of map.entries()) {
    entries.push(entry);
    if (entries.length === SAVED_MAX) break;
  }
  return entries.reverse();
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

/** Returns the action that may not be served now: taken twice already in this state, which did not change. */
export function actionInVain(memory: AgentMemory | undefined, signature: Signature): string | undefined {
  if (memory === undefined || memory.repeats < REPEATS_MAX || !isUnchanged(memory, signature)) return undefined;
  return memory.action;
}
