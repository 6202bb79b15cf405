import type { Clock } from '../../shared/clock.ts';
import { areAll, areNumbers } from './learned/learned-part.ts';
import type { AgentMemory, Insisted } from './loop-guard.ts';
import { type SavedVisit, Visits } from './visits.ts';

/** What the guard knows about an agent, as it is saved. */
export interface SavedAgent extends Omit<AgentMemory, 'signature' | 'sinceMs' | 'lastMs' | 'visits' | 'isNews'> {
  readonly agent: string;
  readonly signature: readonly number[];
  /** How long it had been in its state when it acted last. */
  readonly stayMs: number;
  /** When it acted last, by the wall clock. */
  readonly lastWallMs: number;
  readonly visits: readonly SavedVisit[] | null;
}

export function savedAgent(agent: string, memory: AgentMemory, clock: Clock): SavedAgent {
  const { signature, sinceMs, lastMs, visits, isNews: _, ...rest } = memory;
  return {
    agent,
    ...rest,
    signature: [...signature],
    stayMs: lastMs - sinceMs,
    lastWallMs: clock.wallNow() - (clock.now() - lastMs),
    visits: visits?.saved() ?? null,
  };
}

/** The memory of an agent, if it acted within `lifeMs`. The time in which no process ran is no part of its stay. */
export function memoryOf(saved: SavedAgent, clock: Clock, lifeMs: number): AgentMemory | undefined {
  const { agent: _, signature, stayMs, lastWallMs, visits: visited, ...rest } = saved;
  const ageMs = clock.wallNow() - lastWallMs;
  // A time in the future means that the wall clock was set back: the age is unknown.
  if (ageMs < 0 || ageMs > lifeMs) return undefined;
  const visits = visited === null ? undefined : new Visits();
  visits?.restore(visited ?? []);
  const nowMs = clock.now();
  const words = Int32Array.from(signature);
  return { ...rest, signature: words, sinceMs: nowMs - stayMs, lastMs: nowMs - ageMs, visits, isNews: false };
}

export function isSavedAgent(value: unknown): value is SavedAgent {
  const { visits, signature, isFromMemory, ...rest } = (value ?? {}) as Partial<Record<string, unknown>>;
  const areWords = [rest.agent, rest.scene, rest.action].every((text) => typeof text === 'string');
  const counts = [rest.repeats, rest.streak, rest.stayMs, rest.lastWallMs];
  const isWhole = areWords && areNumbers(counts) && areNumbers(signature, 4) && typeof isFromMemory === 'boolean';
  return isWhole && (visits === null || areAll(visits, isSavedVisit));
}

export function isSavedInsistence(value: unknown): value is [number, Insisted] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const { action, passesMax, passesLeft } = (value[1] ?? {}) as Partial<Record<string, unknown>>;
  return areNumbers([value[0], passesMax, passesLeft]) && typeof action === 'string';
}

function isSavedVisit(value: unknown): value is SavedVisit {
  return Array.isArray(value) && areNumbers([value[0], value[2]]) && typeof value[1] === 'string';
}
