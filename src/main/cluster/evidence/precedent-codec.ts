import type { Circumstances, HabitPlace, Momentum } from '../../cache/evidence/evidence.ts';
import type { Precedent, PrecedentPrediction } from '../../cache/exchange/precedent.ts';

/*
 * A precedent as it travels, little-endian:
 *
 *   u32 number | u8 flags | f64 state, gates, set of actions | f64 age of the request, ms | u16 repeats | u16 streak | f64 gates without actions |
 *   u8 number of features | i8 each, in sixteenths | u16 length and UTF-8 each: scene, action, last action, flags, predicted action
 *
 * What is absent is 0 or empty, as the flags tell. The risk model only ranks, so sixteenths are exact enough for what it learns from.
 */
const FLAG = {
  MOMENTUM: 1,
  UNCHANGED: 2,
  HABIT_PLACE: 4,
  PREDICTED: 8,
  OF_HABIT: 16,
  JUDGED: 32,
  SCENE: 64,
  COUNTED: 128,
} as const;
const HEAD_BYTES = 4 + 1 + 3 * 8 + 8 + 2 + 2 + 8 + 1;
const TEXTS = 5;
const TEXT_BYTES_MAX = 1_024;
const FEATURES_MAX = 64;
const PER_ONE = 16;
const COUNT_MAX = 0xffff;

/** Returns undefined if a text is too long. */
export function encodePrecedent(number: number, precedent: Precedent, nowMs: number): Buffer | undefined {
  const { circumstances, action, prediction } = precedent;
  const { scene, state, gates, actionSet, momentum, habit } = circumstances;
  const texts = [scene ?? '', action, momentum?.action ?? '', habit?.flags ?? '', prediction?.action ?? ''].map(
    (text) => Buffer.from(text),
  );
  if (texts.some(({ length }) => length > TEXT_BYTES_MAX)) return undefined;
  const features = prediction?.features ?? [];
  const bytes = Buffer.alloc(HEAD_BYTES + features.length + texts.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = bytes.writeUInt32LE(number);
  at = bytes.writeUInt8(flagsOf(precedent), at);
  for (const mark of [state, gates, actionSet, habit === undefined ? 0 : nowMs - habit.atMs]) {
    at = bytes.writeDoubleLE(mark, at);
  }
  at = bytes.writeUInt16LE(Math.min(COUNT_MAX, momentum?.repeats ?? 0), at);
  at = bytes.writeUInt16LE(Math.min(COUNT_MAX, momentum?.streak ?? 0), at);
  at = bytes.writeDoubleLE(habit?.openGates ?? 0, at);
  at = bytes.writeUInt8(features.length, at);
  for (const feature of features)
    at = bytes.writeInt8(Math.max(-127, Math.min(127, Math.round(feature * PER_ONE))), at);
  for (const text of texts) at = bytes.writeUInt16LE(text.length, at) + text.copy(bytes, at + 2);
  return bytes;
}

function flagsOf({ circumstances, prediction, isCounted }: Precedent): number {
  const { scene, momentum, habit } = circumstances;
  return (
    (momentum === undefined ? 0 : FLAG.MOMENTUM) |
    (momentum?.isUnchanged ? FLAG.UNCHANGED : 0) |
    (habit === undefined ? 0 : FLAG.HABIT_PLACE) |
    (prediction === undefined ? 0 : FLAG.PREDICTED) |
    (prediction?.isHabit ? FLAG.OF_HABIT : 0) |
    (prediction?.features === undefined ? 0 : FLAG.JUDGED) |
    (scene === undefined ? 0 : FLAG.SCENE) |
    (isCounted ? FLAG.COUNTED : 0)
  );
}

export interface NumberedPrecedent {
  readonly number: number;
  readonly precedent: Precedent;
}

/** `sentMs`: when it was sent, in the time of this node's clock; NaN if that is not known, and then it is part of no habit. Undefined if the bytes are no precedent. */
export function decodePrecedent(bytes: Buffer, sentMs: number): NumberedPrecedent | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const flags = bytes.readUInt8(4);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const count = bytes.readUInt8(HEAD_BYTES - 1);
  const texts = textsIn(bytes, HEAD_BYTES + count);
  if (texts === undefined || count > FEATURES_MAX || has(FLAG.JUDGED) !== count > 0) return undefined;
  const [scene, action, lastAction, flagText, predicted] = texts as [string, string, string, string, string];
  const [state, gates, actionSet, ageMs] = [5, 13, 21, 29].map((at) => bytes.readDoubleLE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const openGates = bytes.readDoubleLE(HEAD_BYTES - 9);
  if (![state, gates, actionSet, ageMs, openGates].every(Number.isFinite) || ageMs < 0 || action === '')
    return undefined;
  const momentum: Momentum = {
    action: lastAction,
    repeats: bytes.readUInt16LE(37),
    streak: bytes.readUInt16LE(39),
    isUnchanged: has(FLAG.UNCHANGED),
  };
  const habit: HabitPlace = { flags: flagText, openGates, atMs: sentMs - ageMs };
  const circumstances: Circumstances = {
    ...(has(FLAG.SCENE) ? { scene } : {}),
    ...{ state, gates, actionSet, momentum: has(FLAG.MOMENTUM) ? momentum : undefined },
    ...(has(FLAG.HABIT_PLACE) && !Number.isNaN(sentMs) ? { habit } : {}),
  };
  const features = Float64Array.from({ length: count }, (_, i) => bytes.readInt8(HEAD_BYTES + i) / PER_ONE);
  const prediction: PrecedentPrediction = {
    action: predicted,
    isHabit: has(FLAG.OF_HABIT),
    features: has(FLAG.JUDGED) ? features : undefined,
  };
  const told = has(FLAG.PREDICTED) ? prediction : undefined;
  const precedent = { circumstances, action, prediction: told, isCounted: has(FLAG.COUNTED) };
  return { number: bytes.readUInt32LE(0), precedent };
}

/** Undefined if they do not end where the bytes end, or one is too long. */
function textsIn(bytes: Buffer, from: number): string[] | undefined {
  const texts: string[] = [];
  let at = from;
  while (texts.length < TEXTS) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + bytes.readUInt16LE(at);
    if (end > bytes.length || end - at - 2 > TEXT_BYTES_MAX) return undefined;
    texts.push(bytes.toString('utf8', at + 2, end));
    at = end;
  }
  return at === bytes.length ? texts : undefined;
}
