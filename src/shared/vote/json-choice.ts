import { defined } from '../defined.ts';
import { readJson } from '../untrusted-json.ts';
import { type ActionNames, type Choice, chosen } from './action-names.ts';
import type { JsonMembers } from './asked-json.ts';
import { type Explicit, readValue } from './stated-choice.ts';

/**
 * Reads the choice in an answer of JSON, bare, fenced or with text around it, under any of the keys that models use. Of
 * truncated objects, only the form asked for is read (asked-json.ts); the lines of others are read as labels.
 */

const JSON_CHOICE_KEYS = [
  'action',
  'choice',
  'answer',
  'index',
  'number',
  'action_number',
  'actionNumber',
  'decision',
  'vote',
];
const JSON_REASON_KEYS = ['reason', 'why', 'reasoning', 'explanation', 'rationale', 'justification', 'thought'];
/** Maximum number of opening and of closing braces tried. */
const JSON_TRIES_MAX = 8;

function firstKey(object: JsonMembers, keys: readonly string[]): unknown {
  for (const key of keys) {
    if (Object.hasOwn(object, key) && object[key] !== null && object[key] !== undefined) return object[key];
  }
  return undefined;
}

/** Returns the JSON objects in a text, fenced or bare, even with text around them. */
function findJson(text: string): Record<string, unknown>[] {
  const ends: number[] = [];
  for (let end = text.lastIndexOf('}'); end > 0 && ends.length < JSON_TRIES_MAX; end = text.lastIndexOf('}', end - 1)) {
    ends.push(end);
  }
  const objects: Record<string, unknown>[] = [];
  let start = text.indexOf('{');
  for (let tries = 0; start >= 0 && tries < JSON_TRIES_MAX; tries++) {
    const object = firstJson(text, start, ends);
    if (object !== undefined) objects.push(object.value);
    start = text.indexOf('{', (object?.end ?? start) + 1);
  }
  return objects;
}

/** Returns the first of `ends` at which the text from `start` is JSON, with its value. Deep nesting does not count as JSON. */
function firstJson(
  text: string,
  start: number,
  ends: readonly number[],
): { readonly end: number; readonly value: Record<string, unknown> } | undefined {
  for (const end of ends) {
    if (end <= start) continue;
    const reading = readJson(text.slice(start, end + 1));
    if ('value' in reading) return { end, value: reading.value as Record<string, unknown> };
  }
  return undefined;
}

function readConfidence(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return undefined;
  if (number <= 1 && !String(value).includes('%')) return number;
  return number <= 100 ? number / 100 : undefined;
}

export function fromJson(text: string, names: ActionNames): Explicit | undefined {
  return fromObjects(findJson(text), names);
}

/** Returns what the objects choose, with the reason and confidence of the first one that chooses something. */
export function fromObjects(all: readonly JsonMembers[], names: ActionNames): Explicit | undefined {
  const objects = all.filter((object) => firstKey(object, JSON_CHOICE_KEYS) !== undefined);
  const choices = objects.flatMap((object) => jsonChoices(object, names));
  const [object] = objects;
  if (object === undefined || choices.length === 0) return undefined;
  const reason = firstKey(object, JSON_REASON_KEYS);
  const confidence = readConfidence(object.confidence);
  return {
    choices,
    reason: typeof reason === 'string' ? reason : '',
    ...defined({ confidence }),
  };
}

function jsonChoices(object: JsonMembers, names: ActionNames): Choice[] {
  const choices: Choice[] = [];
  for (const key of JSON_CHOICE_KEYS) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    // A name from a schema is returned byte for byte, including white space.
    const itself = typeof value === 'string' ? names.named(value) : undefined;
    if (itself !== undefined) choices.push(...chosen([itself]));
    else if (typeof value === 'string' || typeof value === 'number') choices.push(...readValue(String(value), names));
  }
  return choices;
}
