import { forkRandom, type Random, randomNormal } from '../../shared/random.ts';
import { type ActionNature, natureOf } from './action-nature.ts';
import type { PromptReading } from './prompt-reader.ts';

/**
 * The fallible expert. It rates every action by the situation, the learned values, the opinions of others and its role, errs the more the lower its
 * skill is, and picks the action that then looks best. Pure: the same prompt, skill and luck give the same opinion.
 */
export interface Opinion {
  /** Index into the actions of the prompt. */
  readonly index: number;
  readonly action: string;
  /** One sentence. */
  readonly reason: string;
  /** 0 to 1, from the lead of the choice over the next one. */
  readonly confidence: number;
}

/** How much weight a role gives to each aspect. */
interface RoleWeights {
  readonly values: number;
  readonly safety: number;
  readonly gain: number;
  readonly sight: number;
}

const ROLE_WEIGHTS: readonly (readonly [RegExp, RoleWeights])[] = [
  [/threat|risk|danger|safety/i, { values: 0.5, safety: 1.3, gain: 0.2, sight: 0.1 }],
  [/opportun|gain|progress|goal/i, { values: 1.2, safety: 0.6, gain: 0.8, sight: 0.2 }],
  [/visual|visible|perception|vision/i, { values: 0.7, safety: 0.7, gain: 0.4, sight: 0.8 }],
  [/spatial|space|situation/i, { values: 0.8, safety: 0.8, gain: 0.4, sight: 0.4 }],
];
const ANY_ROLE: RoleWeights = { values: 1, safety: 0.9, gain: 0.4, sight: 0.3 };

/** The expert's understanding of the situation. */
interface Scene {
  /** 0 to 1; undefined if the prompt does not mention health. */
  readonly health: number | undefined;
  readonly inCombat: boolean;
  readonly enemies: number;
  /** All words of the situation, in lower case. */
  readonly words: string;
}

function readNumber(text: string | undefined): number | undefined {
  const number = text === undefined ? Number.NaN : Number.parseFloat(text);
  return Number.isFinite(number) ? number : undefined;
}

function readScene(situation: ReadonlyMap<string, string>): Scene {
  let health: number | undefined;
  let inCombat = false;
  let enemies = 0;
  for (const [label, value] of situation) {
    if (/\b(?:health|hp|battery)\b/.test(label)) health ??= readHealth(value);
    else if (/combat|under attack|fighting/.test(label)) inCombat ||= value === 'yes';
    else if (/enem|hostile/.test(label)) enemies = Math.max(enemies, readNumber(value) ?? 0);
    else if (label === 'scene') inCombat ||= value === 'combat';
  }
  return { health, inCombat, enemies, words: [...situation.values()].join(' ').toLowerCase() };
}

function readHealth(value: string): number | undefined {
  const number = readNumber(value);
  if (number === undefined) return undefined;
  return Math.min(1, Math.max(0, number > 1 ? number / 100 : number));
}

/** Penalty for repeating an action that has just had no effect. */
const IN_VAIN = 0.8;

type NatureWorth = Partial<Readonly<Record<ActionNature, number>>>;

/** How well each kind of action serves safety. */
function safetyOf(scene: Scene): NatureWorth {
  const { health = 1, enemies } = scene;
  if (!scene.inCombat)
    return health < 0.4 ? { heal: 0.9, rest: 0.6, strike: -0.5, move: -0.1 } : { heal: -0.3, guard: -0.3, flee: -0.4 };
  if (health < 0.3)
    return { heal: 1, flee: 0.8, guard: 0.7, strike: -0.6, gain: -0.8, rest: -0.9, talk: -0.5, move: -0.2 };
  if (health < 0.7 || enemies >= 3)
    return { heal: 0.4, guard: 0.5, flee: enemies >= 4 ? 0.4 : 0.1, strike: 0.3, gain: -0.5, rest: -0.9 };
  return { strike: 0.6, guard: 0.2, heal: -0.4, flee: -0.3, gain: -0.4, rest: -0.8 };
}

function gainOf(scene: Scene): NatureWorth {
  if (scene.inCombat) return { strike: 0.5 };
  return { gain: 0.6, talk: 0.4, move: 0.3, rest: -0.3, leave: -0.1, guard: -0.2 };
}

/** Values on a scale from 0 (the worst given) to 1 (the best). Actions without a given value are a little below them. */
function valueScale(values: ReadonlyMap<string, number>): (action: string) => number {
  if (values.size === 0) return () => 0;
  const told = [...values.values()];
  const low = Math.min(...told);
  const span = Math.max(...told) - low;
  return (action) => {
    const value = values.get(action);
    if (value === undefined) return -0.2;
    return span === 0 ? 0.5 : (value - low) / span;
  };
}

/** The stable part of a situation from one moment to the next: coarse numbers, no long texts. */
function coarseSituation(situation: ReadonlyMap<string, string>): string {
  const lines: string[] = [];
  for (const [label, value] of situation) {
    if (value.length > 60) continue;
    const number = /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined;
    lines.push(
      `${label}=${number === undefined ? value : Math.abs(number) >= 10 ? Math.floor(number / 10) * 10 : Math.round(number)}`,
    );
  }
  return lines.join(';');
}

function isSeen(action: string, words: string): boolean {
  return action
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .some((word) => word.length >= 4 && words.includes(word));
}

function weightsOf(reading: PromptReading): RoleWeights {
  const name = reading.role?.name ?? '';
  return ROLE_WEIGHTS.find(([pattern]) => pattern.test(name))?.[1] ?? ANY_ROLE;
}

/** Opinions have equal weight, except that the role that judges danger counts double when there is danger. */
function supportOf(reading: PromptReading, scene: Scene): Map<string, number> {
  const support = new Map<string, number>();
  const inDanger = scene.inCombat && (scene.health ?? 1) < 0.4;
  for (const { role, action } of reading.opinions) {
    const weight = inDanger && /threat|risk|danger/i.test(role) ? 1.2 : 0.6;
    support.set(action, (support.get(action) ?? 0) + weight);
  }
  return support;
}

/** The worth of every action, before the expert's own error. */
function worths(reading: PromptReading, scene: Scene): number[] {
  const weights = weightsOf(reading);
  const told = valueScale(reading.values);
  const safety = safetyOf(scene);
  const gain = gainOf(scene);
  const support = supportOf(reading, scene);
  const coarse = coarseSituation(reading.situation);
  // If neither values nor health help, a constant taste decides.
  const tasteWeight = reading.values.size === 0 && scene.health === undefined ? 1.2 : 0.15;
  return reading.actions.map((action) => {
    const nature = natureOf(action);
    const taste = forkRandom(0, `${coarse}\n${action}`).next();
    return (
      weights.values * told(action) +
      weights.safety * (safety[nature] ?? 0) +
      weights.gain * (gain[nature] ?? 0) +
      weights.sight * (isSeen(action, scene.words) ? 0.3 : 0) +
      tasteWeight * taste +
      (support.get(action) ?? 0) -
      (reading.inVain.has(action) ? IN_VAIN : 0)
    );
  });
}

/** The worth of every action as the expert sees it, with an error that grows as its skill falls below 1. */
export function judgedWorths(
  reading: PromptReading,
  skill: number,
  random: Random,
  scene = readScene(reading.situation),
): number[] {
  const error = 1 - skill;
  return worths(reading, scene).map((worth) => worth + error * randomNormal(random));
}

/** Returns undefined if the prompt offers no actions. */
export function formOpinion(reading: PromptReading, skill: number, random: Random): Opinion | undefined {
  if (reading.actions.length === 0) return undefined;
  const scene = readScene(reading.situation);
  const judged = judgedWorths(reading, skill, random, scene);
  const index = judged.reduce((best, worth, at) => (worth > (judged[best] as number) ? at : best), 0);
  const best = judged[index] as number;
  const next = judged.reduce((top, worth, at) => (at === index ? top : Math.max(top, worth)), best - 1);
  const action = reading.actions[index] as string;
  return {
    index,
    action,
    reason: reasonFor(reading, scene, action, random),
    confidence: Math.round((0.5 + 0.5 * Math.min(1, best - next)) * 100) / 100,
  };
}

function reasonFor(reading: PromptReading, scene: Scene, action: string, random: Random): string {
  const reasons = fittingReasons(reading, scene, action);
  return reasons[Math.floor(random.next() * reasons.length)] as string;
}

function fittingReasons(reading: PromptReading, scene: Scene, action: string): string[] {
  const nature = natureOf(action);
  const reasons: string[] = [];
  const isCareful = nature === 'heal' || nature === 'guard' || nature === 'flee';
  if (isCareful && scene.health !== undefined && scene.health < 0.4) {
    reasons.push(`Health is down to ${Math.round(scene.health * 100)}, so staying alive comes first.`);
  }
  if (isCareful && scene.enemies > 1) reasons.push(`With ${scene.enemies} enemies close it is wise to be careful.`);
  if (nature === 'strike' && scene.inCombat) {
    reasons.push('The enemy is within reach and there is health enough to press on.');
  }
  const votes = reading.opinions.filter((opinion) => opinion.action === action).length;
  if (votes > 1) reasons.push(`${votes} of the ${reading.opinions.length} experts agree on it.`);
  const value = reading.values.get(action);
  if (value !== undefined && value >= Math.max(...reading.values.values())) {
    reasons.push(`Its learned value of ${value.toFixed(2)} is the highest of all.`);
  }
  if (!scene.inCombat && (nature === 'move' || nature === 'gain' || nature === 'talk')) {
    reasons.push('Nothing threatens right now, so there is time to get on with things.');
  }
  const place = reading.situation.get('location') ?? reading.situation.get('scene');
  if (place !== undefined && place.length < 40) reasons.push(`It fits best to what the situation shows at ${place}.`);
  return reasons.length > 0 ? reasons : ['It fits the situation better than the other options.'];
}
