import { clip } from './clip.ts';
import type { Domain, DomainDefinition, Feature, FeatureValue, ImageValue, Observation } from './domain.ts';
import { describeValue, messageOf, PlannerError } from './errors.ts';
import { type InParts, PART_MEMBERS } from './in-parts.ts';
import type { ObservationOf } from './observation.ts';
import { areEqual, OwnedRequest, qValueOf } from './owned-request.ts';
import { isObject, isRecord } from './untrusted-json.ts';

/**
 * One request to the planner: an agent's observation, the actions it may take now, and optionally their Q-values.
 * `PlanRequest<typeof rover>` is a request whose observation the compiler checks against the domain `rover`; `PlanRequest` alone
 * accepts any observation.
 */
export type PlanRequest<D extends DomainDefinition = Domain, A extends string = string> = RequestWith<
  ObservationOf<D>,
  A
>;

/** A request by the type of its observation. A request of a known domain is also a request of any domain. */
export interface RequestWith<O extends Observation, A extends string = string> {
  /** Name of the agent. Decisions are shared between agents; the name is used for fairness and reports. */
  readonly agent: string;
  /** What the agent perceives now, by feature. */
  readonly observation: O;
  /** The actions that are legal now. There must be at least one, and no duplicates. */
  readonly actions: readonly A[];
  /** The agent's learned values by action; higher is better. Values of actions that are not legal now are ignored. */
  readonly qValues?: Readonly<Record<string, number>>;
  /** Name of the agent's domain in a planner of several. Optional if there is only one. */
  readonly domain?: string;
}

/** Upper bounds of the parts of a request. */
export const REQUEST_LIMITS = {
  actions: 100_000,
  actionChars: 1_000,
  textChars: 100_000,
  imageChars: 16_000_000,
  setItems: 1_000,
  valueChars: 1_000,
  agentChars: 256,
} as const;

const BASE64 = /^[A-Za-z0-9+/]/;
const IMAGE_URL = /^data:image\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]/i;

/** Maximum length of a name in a message. Names come from the caller, and one of 10 MB must not be repeated. */
const KEY_CHARS_MAX = 100;

function fail(key: string, rule: string, value: unknown): never {
  throw new PlannerError('ERR_REQUEST_INVALID', `${clip(key, KEY_CHARS_MAX)} ${rule}, got ${describeValue(value)}`);
}

function checkString(key: string, value: unknown, charsMax: number): void {
  if (typeof value !== 'string') fail(key, 'must be a string', value);
  if (value.length > charsMax) fail(key, `must be at most ${charsMax} characters`, value);
}

function checkSet(key: string, value: unknown): void {
  if (!Array.isArray(value)) fail(key, 'must be a list of strings', value);
  if (value.length > REQUEST_LIMITS.setItems) fail(key, `must hold at most ${REQUEST_LIMITS.setItems} items`, value);
  for (let i = 0; i < value.length; i++) checkString(`${key}[${i}]`, value[i], REQUEST_LIMITS.valueChars);
}

function checkImage(key: string, value: unknown): void {
  const image = value as ImageValue;
  if (typeof image === 'string') {
    if (!IMAGE_URL.test(image)) fail(key, 'must be a data URL of an image ("data:image/png;base64,…")', value);
    checkString(key, image, REQUEST_LIMITS.imageChars);
    return;
  }
  if (!isObject(image) || typeof image.base64 !== 'string' || typeof image.mediaType !== 'string') {
    fail(key, 'must be a data URL, or an object with mediaType and base64', value);
  }
  checkString(`${key}.mediaType`, image.mediaType, REQUEST_LIMITS.valueChars);
  if (!image.mediaType.startsWith('image/')) fail(`${key}.mediaType`, 'must start with "image/"', image.mediaType);
  if (!BASE64.test(image.base64)) fail(`${key}.base64`, 'must be base64', image.base64);
  checkString(`${key}.base64`, image.base64, REQUEST_LIMITS.imageChars);
}

function checkFeatureValue(name: string, feature: Feature, value: FeatureValue): void {
  switch (feature.kind) {
    case 'category':
      // Every plan runs this, so the name of a faulty value is put together only if there is a fault.
      if (typeof value !== 'string' || value.length > REQUEST_LIMITS.valueChars) {
        return checkString(`observation.${name}`, value, REQUEST_LIMITS.valueChars);
      }
      if (feature.values !== undefined && !feature.values.includes(value)) {
        fail(`observation.${name}`, `must be one of ${feature.values.join(', ')}`, value);
      }
      return;
    case 'flag':
      if (typeof value !== 'boolean') fail(`observation.${name}`, 'must be true or false', value);
      return;
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) {
        fail(`observation.${name}`, 'must be a finite number', value);
      }
      return;
    case 'set':
      return checkSet(`observation.${name}`, value);
    case 'text':
      if (typeof value === 'string' && value.length <= REQUEST_LIMITS.textChars) return;
      return checkString(`observation.${name}`, value, REQUEST_LIMITS.textChars);
    case 'image':
      return checkImage(`observation.${name}`, value);
    default:
      return feature satisfies never;
  }
}

function checkObservation(domain: Domain, observation: Observation): void {
  if (!isRecord(observation)) fail('observation', 'must be an object of named features', observation);
  const { names, features } = rememberedOf(domain);
  let known = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const feature = features[i] as Feature;
    const value = observation[name];
    if (value !== undefined) {
      known++;
      checkFeatureValue(name, feature, value);
    } else if (!feature.optional) {
      fail(`observation.${name}`, `is a ${feature.kind} that ${domain.name} needs`, value);
    }
  }
  // If there are as many members as known ones, none is unknown, and the names need not be looked up.
  let members = 0;
  for (const _ in observation) members++;
  if (members !== known) checkNames(domain, observation);
}

function checkNames(domain: Domain, observation: Observation): void {
  for (const name in observation) {
    if (domain.features[name] === undefined) {
      const known = Object.keys(domain.features).join(', ');
      throw new PlannerError(
        'ERR_REQUEST_INVALID',
        `${clip(`observation.${name}`, KEY_CHARS_MAX)} is not a feature of ${domain.name} (${known})`,
      );
    }
  }
}

/** What checks of a domain's requests have in common. */
interface DomainMemory {
  /** The features as lists, which are iterated several times faster than the object. */
  readonly names: readonly string[];
  readonly features: readonly Feature[];
  /** The last list of actions that passed the check. Agents are offered the same actions over and over, so it need not be checked again. */
  passed: readonly string[];
}

const memories = new WeakMap<Domain, DomainMemory>();
let lastMemory: DomainMemory = { names: [], features: [], passed: [] };
let lastDomain: Domain | undefined;

function rememberedOf(domain: Domain): DomainMemory {
  if (lastDomain !== domain) {
    lastDomain = domain;
    lastMemory = memories.get(domain) ?? remember(domain);
  }
  return lastMemory;
}

function remember(domain: Domain): DomainMemory {
  const memory = { names: Object.keys(domain.features), features: Object.values(domain.features), passed: [] };
  memories.set(domain, memory);
  return memory;
}

const SPACE = 0x20;

function checkAction(action: unknown, index: number): void {
  if (typeof action !== 'string' || action === '') return fail(`actions[${index}]`, 'must be a name', action);
  // A text that begins with a visible ASCII character is not blank.
  const first = action.charCodeAt(0);
  if ((first <= SPACE || first > 0x7e) && action.trim() === '') fail(`actions[${index}]`, 'must be a name', action);
  if (action.length > REQUEST_LIMITS.actionChars) {
    fail(`actions[${index}]`, `must be at most ${REQUEST_LIMITS.actionChars} characters`, action);
  }
}

/** Up to about this many actions, comparing all pairs is faster than building a set. */
const PAIRWISE_MAX = 16;
/** Longer lists are not kept as `passed`. */
const PASSED_ACTIONS_MAX = 100;

function checkActions(domain: Domain, actions: readonly string[]): void {
  if (!Array.isArray(actions) || actions.length === 0)
    fail('actions', 'must be a list of at least one action', actions);
  const memory = rememberedOf(domain);
  if (areEqual(actions, memory.passed)) return;
  if (actions.length > REQUEST_LIMITS.actions) fail('actions', `must hold at most ${REQUEST_LIMITS.actions}`, actions);
  checkActionsBetween(actions, actions.length > PAIRWISE_MAX ? new Set() : undefined, 0, actions.length);
  if (actions.length <= PASSED_ACTIONS_MAX) memory.passed = [...actions];
}

/** Checks the actions from `from` to `end`. `seen` holds those before `from`; if it is undefined, all pairs are compared. */
function checkActionsBetween(
  actions: readonly string[],
  seen: Set<string> | undefined,
  from: number,
  end: number,
): void {
  for (let i = from; i < end; i++) {
    const action = actions[i] as string;
    checkAction(action, i);
    const first = seen ? (seen.has(action) ? actions.indexOf(action) : i) : actions.indexOf(action);
    if (first !== i) fail(`actions[${i}]`, `must differ from actions[${first}]`, action);
    seen?.add(action);
  }
}

function* checkActionsInParts(domain: Domain, actions: readonly string[]): InParts<void> {
  if (!Array.isArray(actions) || actions.length <= PART_MEMBERS || actions.length > REQUEST_LIMITS.actions)
    return checkActions(domain, actions);
  const seen = new Set<string>();
  for (let from = 0; from < actions.length; from += PART_MEMBERS) {
    checkActionsBetween(actions, seen, from, Math.min(from + PART_MEMBERS, actions.length));
    yield;
  }
}

/** Rejects unknown keys, because a misspelt one would have no effect. This runs for every plan, so no list is searched. */
function checkKeys(request: PlanRequest): void {
  for (const key in request) {
    if (key === 'agent' || key === 'observation' || key === 'actions' || key === 'qValues' || key === 'domain')
      continue;
    const rule = 'is not a part of a request (agent, observation, actions, qValues)';
    throw new PlannerError('ERR_REQUEST_INVALID', `${clip(key, KEY_CHARS_MAX)} ${rule}`);
  }
}

function checkQValues(qValues: Readonly<Record<string, number>>): void {
  if (!isRecord(qValues)) fail('qValues', 'must be an object of numbers by action', qValues);
  let count = 0;
  for (const action in qValues) {
    if (++count > REQUEST_LIMITS.actions)
      fail('qValues', `must hold at most ${REQUEST_LIMITS.actions} values`, qValues);
    checkQValue(qValues, action);
  }
}

function checkQValue(qValues: Readonly<Record<string, number>>, action: string): void {
  if (!Number.isFinite(qValues[action])) fail(`qValues.${action}`, 'must be a finite number', qValues[action]);
}

/** Checks the Q-values of plain data in parts; inherited members are ignored. */
function* checkQValuesInParts(qValues: Readonly<Record<string, number>>): InParts<void> {
  if (!isRecord(qValues)) return checkQValues(qValues);
  const names = Object.keys(qValues);
  yield;
  if (names.length > REQUEST_LIMITS.actions) return checkQValues(qValues);
  for (const [index, name] of names.entries()) {
    checkQValue(qValues, name);
    if ((index + 1) % PART_MEMBERS === 0) yield;
  }
}

/** Throws ERR_REQUEST_INVALID at the first fault, with its key, rule and value. */
export function checkRequest(domain: Domain, request: PlanRequest): void {
  readPlainly(() => checkParts(domain, request));
}

/** Throws ERR_REQUEST_INVALID if a getter or proxy of a request throws. */
export function readPlainly<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw notPlain(error);
  }
}

/** Same as `readPlainly`, for work in parts. */
export function* readPlainlyInParts<T>(work: InParts<T>): InParts<T> {
  try {
    return yield* work;
  } catch (error) {
    throw notPlain(error);
  }
}

function notPlain(error: unknown): PlannerError {
  if (error instanceof PlannerError) return error;
  const message = `request must be plain data, and reading it threw: ${messageOf(error)}`;
  return new PlannerError('ERR_REQUEST_INVALID', message, { cause: error });
}

/** Checks a large request of plain data in parts, by the same rules as `checkRequest`. */
export function* checkRequestInParts(domain: Domain, request: PlanRequest): InParts<void> {
  checkNamed(request);
  yield* checkActionsInParts(domain, request.actions);
  checkObservation(domain, request.observation);
  if (request.qValues !== undefined) yield* checkQValuesInParts(request.qValues);
}

function checkParts(domain: Domain, request: PlanRequest): void {
  checkNamed(request);
  checkActions(domain, request.actions);
  checkObservation(domain, request.observation);
  if (request.qValues !== undefined) checkQValues(request.qValues);
}

function checkNamed(request: PlanRequest): void {
  if (!isObject(request)) fail('request', 'must be an object', request);
  checkKeys(request);
  if (typeof request.agent !== 'string' || request.agent === '') fail('agent', 'must be a name', request.agent);
  if (request.agent.length > REQUEST_LIMITS.agentChars) {
    fail('agent', `must be at most ${REQUEST_LIMITS.agentChars} characters`, request.agent);
  }
}

/** The heuristic: the legal action with the highest Q-value, the earlier one on a tie, or the first if none has a value. */
export function bestByQValue(request: Pick<PlanRequest, 'actions' | 'qValues'>): string {
  if (OwnedRequest.is(request)) return request.values.best[0]?.[0] ?? (request.actions[0] as string);
  let best = request.actions[0] as string;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (const action of request.actions) {
    const value = qValueOf(request, action);
    if (value !== undefined && value > bestValue) {
      best = action;
      bestValue = value;
    }
  }
  return best;
}

function valuesByName(request: Pick<PlanRequest, 'actions' | 'qValues'>): number[] {
  return request.actions.map((action) => qValueOf(request, action)).filter((value) => value !== undefined);
}

/**
 * Returns the values if they are in the order of their actions, as most agents write them; undefined otherwise. Runs for every
 * cached plan: comparing names is several times faster than looking up names that have just been parsed.
 */
function valuesInOrder(qValues: Readonly<Record<string, number>>, actions: readonly string[]): number[] | undefined {
  const values: number[] = [];
  let at = 0;
  for (const name in qValues) {
    while (at < actions.length && actions[at] !== name) at++;
    if (at === actions.length) return undefined;
    values.push(qValues[name] as number);
    at++;
  }
  return values;
}

/** The lowest and the highest Q-value of the request's actions. */
function valueRange(request: Pick<PlanRequest, 'actions' | 'qValues'>): { low: number; high: number } {
  if (OwnedRequest.is(request)) return request.values;
  const values = (request.qValues && valuesInOrder(request.qValues, request.actions)) ?? valuesByName(request);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/**
 * Returns a function for the relative Q-value of an action: 0 for the worst, 1 for the best, undefined for an action without
 * one. Undefined for all if there are no values or all are equal: such values say nothing.
 */
export function valueScale(request: Pick<PlanRequest, 'actions' | 'qValues'>): (action: string) => number | undefined {
  if (request.qValues === undefined) return () => undefined;
  const { low, high } = valueRange(request);
  // Halved, because the whole may exceed the range of a number.
  const span = high / 2 - low / 2;
  if (!(span > 0)) return () => undefined;
  return (action) => {
    const value = qValueOf(request, action);
    return value === undefined ? undefined : (value / 2 - low / 2) / span;
  };
}
