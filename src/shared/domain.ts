import { defined } from './defined.ts';
import { describeValue, PlannerError } from './errors.ts';
import { isObject, isRecord } from './untrusted-json.ts';

/**
 * A domain describes what a kind of agent perceives and who advises it: features with their kind, expert roles with their
 * prompt. It is plain data, so it crosses threads and files unchanged.
 */
interface FeatureCommon {
  /** True if requests may omit the feature. A missing value is a separate state in the signature. Default false. */
  readonly optional?: boolean;
  /** Name of the feature in prompts. Default: its own name. */
  readonly label?: string;
}
/** Options of features that are not numbers, for similar states. */
interface GateFeature extends FeatureCommon {
  /**
   * Similar states must have equal values, unless the feature is soft: then a difference adds to the distance. The exact key
   * includes the feature either way. Default false.
   */
  readonly soft?: boolean;
  /** Weight of a difference in a soft feature, relative to the numbers. Default 1. */
  readonly weight?: number;
}
export interface CategoryFeature extends GateFeature {
  readonly kind: 'category';
  /** The allowed values. Default: any string. */
  readonly values?: readonly string[];
}
export interface FlagFeature extends GateFeature {
  readonly kind: 'flag';
}
export interface SetFeature extends GateFeature {
  readonly kind: 'set';
}
export interface NumberFeature extends FeatureCommon {
  readonly kind: 'number';
  /** Ascending bounds of the buckets. A value is in bucket n if n of the edges are at or below it. */
  readonly edges: readonly number[];
  /** Lowest and highest value. The distance of similar states is relative to this range. */
  readonly range: readonly [low: number, high: number];
  /** Weight of this feature in the distance between similar states. Default 1. */
  readonly weight?: number;
}
const TEXT_LAYOUTS = ['fold', 'keep'] as const;
type TextLayout = (typeof TEXT_LAYOUTS)[number];

/** Text for the prompt. It is not part of the signature. */
export interface TextFeature extends FeatureCommon {
  readonly kind: 'text';
  /**
   * `keep`: spaces and line breaks appear in the prompt as given, in a fenced block, for maps and tables. `fold`: the text
   * becomes one line. Either way, the first 2,000 characters are shown. Default `fold`.
   */
  readonly layout?: TextLayout;
}
/** An image, as a data URL or base64 with a media type. It is shown to experts with vision, and is not part of the signature. */
export interface ImageFeature extends FeatureCommon {
  readonly kind: 'image';
}
export type Feature = CategoryFeature | FlagFeature | SetFeature | NumberFeature | TextFeature | ImageFeature;
/** The features of a domain, by name. */
export type FeatureMap = Readonly<Record<string, Feature>>;

export type ImageValue = string | { readonly mediaType: string; readonly base64: string };
export type FeatureValue = string | number | boolean | readonly string[] | ImageValue;
export type Observation = Readonly<Record<string, FeatureValue | undefined>>;

export interface ExpertRole {
  readonly name: string;
  /** What the expert should consider and how it should judge. It comes last in the prompt. */
  readonly prompt: string;
  /** True if this expert is shown the images of the observation. Default false. */
  readonly vision?: boolean;
}

/**
 * A checked domain. Its type keeps the features given to `defineDomain`, so that the compiler checks observations against them;
 * a domain from a file is a plain `Domain` with any features.
 */
export interface Domain<F extends FeatureMap = FeatureMap> {
  readonly name: string;
  /** One or two sentences for the prompt: what the agent is, and what it wants. */
  readonly description: string;
  readonly features: F;
  readonly roles: readonly ExpertRole[];
  /** The category that divides statistics and TTLs by its value. Undefined if the domain has no category. */
  readonly sceneFeature: string | undefined;
  /** Priorities by scene: if plans wait for models, higher numbers are served first. 0 for scenes without an entry. */
  readonly priorities: Readonly<Record<string, number>>;
  /** Path or file URL of the module that computes next states. Absent if there is none. */
  readonly next?: string;
  /** Set by a planner of several domains: it makes the keys of this domain differ from those of all others. */
  readonly scope?: string;
}

export interface DomainDefinition<F extends FeatureMap = FeatureMap> {
  readonly name: string;
  readonly description?: string;
  readonly features: F;
  /** The expert roles. Default: four roles that fit any agent (situation, risk, opportunity, progress). */
  readonly roles?: readonly ExpertRole[];
  /**
   * The category by whose value false hits and TTLs are kept separately. Default: `scene` if there is a category of that name, else
   * the first category.
   */
  readonly sceneFeature?: string | undefined;
  /** Priorities by scene: if plans wait for models, higher numbers are served first. Default: 0 for every scene. */
  readonly priorities?: Readonly<Record<string, number>>;
  /**
   * Path or file URL of a module with two pure functions: `next(observation, action)` returns the observations that may follow an
   * action, and `nextActions(observation)` the actions that are possible there. After each plan, models are asked ahead about these
   * states. Relative to the configuration file, else to the current folder.
   */
  readonly next?: string;
}

/** Roles of a domain that defines none, such as one from a trace header. */
export const GENERIC_ROLES: readonly ExpertRole[] = [
  {
    name: 'situation_assessment',
    prompt: 'Judge what matters most in the situation right now, and which action fits it best.',
  },
  {
    name: 'risk_assessment',
    prompt: 'Judge what could go wrong with each action, and choose the one that loses least if it does.',
  },
  {
    name: 'opportunity_detection',
    prompt: 'Look for the action that gains most from this situation, also one that others would overlook.',
  },
  {
    name: 'progress_assessment',
    prompt: 'Judge which action brings the agent nearest to its goal over the next few steps.',
  },
];

const KINDS: readonly string[] = ['category', 'flag', 'set', 'number', 'text', 'image'];

function fail(message: string): never {
  throw new PlannerError('ERR_DOMAIN_INVALID', message);
}

function checkNumberFeature(key: string, feature: NumberFeature): void {
  const { edges, range } = feature;
  if (!Array.isArray(edges) || !edges.every((edge) => Number.isFinite(edge))) {
    fail(`${key}.edges must be a list of finite numbers, got ${describeValue(edges)}`);
  }
  for (let i = 1; i < edges.length; i++) {
    if ((edges[i] as number) <= (edges[i - 1] as number)) fail(`${key}.edges must ascend, got ${edges.join(', ')}`);
  }
  if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite) || range[0] >= range[1]) {
    fail(`${key}.range must be two numbers, low before high, got ${describeValue(range)}`);
  }
}

function checkDistance(key: string, feature: NumberFeature | CategoryFeature | FlagFeature | SetFeature): void {
  const { weight } = feature;
  if (weight !== undefined && !(Number.isFinite(weight) && weight >= 0)) {
    fail(`${key}.weight must be a number of at least 0, got ${describeValue(weight)}`);
  }
  if (feature.kind === 'number') return;
  if (feature.soft !== undefined && typeof feature.soft !== 'boolean') {
    fail(`${key}.soft must be true or false, got ${describeValue(feature.soft)}`);
  }
}

/** True if a difference in the feature counts as distance between similar states, and does not rule them out. */
export function isSoft(feature: Feature): boolean {
  return (feature.kind === 'category' || feature.kind === 'flag' || feature.kind === 'set') && feature.soft === true;
}

const DOMAIN_KEYS = ['name', 'description', 'features', 'roles', 'sceneFeature', 'priorities', 'next'];
const ROLE_KEYS = ['name', 'prompt', 'vision'];

function checkKeys(key: string, what: string, value: object, allowed: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!allowed.includes(name)) fail(`${key}.${name} is not a setting of a ${what} (${allowed.join(', ')})`);
  }
}

const FEATURE_KEYS: Readonly<Record<string, readonly string[]>> = {
  category: ['values', 'soft', 'weight'],
  flag: ['soft', 'weight'],
  set: ['soft', 'weight'],
  number: ['edges', 'range', 'weight'],
  text: ['layout'],
};

function checkFeature(key: string, feature: Feature): void {
  if (!isObject(feature) || !KINDS.includes(feature.kind)) {
    fail(`${key}.kind must be one of ${KINDS.join(', ')}, got ${describeValue(feature?.kind)}`);
  }
  checkKeys(key, feature.kind, feature, ['kind', 'optional', 'label', ...(FEATURE_KEYS[feature.kind] ?? [])]);
  const { optional, label } = feature;
  if (optional !== undefined && typeof optional !== 'boolean') {
    fail(`${key}.optional must be true or false, got ${describeValue(optional)}`);
  }
  if (label !== undefined && typeof label !== 'string') {
    fail(`${key}.label must be a text, got ${describeValue(label)}`);
  }
  if (feature.kind !== 'text' && feature.kind !== 'image') checkDistance(key, feature);
  if (feature.kind === 'number') checkNumberFeature(key, feature);
  if (feature.kind === 'category') checkValues(key, feature.values);
  if (feature.kind === 'text') checkLayout(key, feature.layout);
}

function checkLayout(key: string, layout: TextLayout | undefined): void {
  if (layout === undefined || TEXT_LAYOUTS.includes(layout)) return;
  fail(`${key}.layout must be one of ${TEXT_LAYOUTS.join(', ')}, got ${describeValue(layout)}`);
}

function checkValues(key: string, values: readonly string[] | undefined): void {
  if (values === undefined) return;
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === 'string')) {
    fail(`${key}.values must be a list of at least one string, got ${describeValue(values)}`);
  }
}

function checkRoles(roles: readonly ExpertRole[]): void {
  if (!Array.isArray(roles)) fail(`domain.roles must be a list, got ${describeValue(roles)}`);
  const seen = new Set<string>();
  for (const [index, role] of roles.entries()) {
    if (typeof role?.name !== 'string' || role.name === '') fail(`domain.roles[${index}].name must be a name`);
    if (typeof role.prompt !== 'string' || role.prompt === '') fail(`domain.roles[${index}].prompt must be a text`);
    checkKeys(`domain.roles[${index}]`, 'role', role, ROLE_KEYS);
    if (role.vision !== undefined && typeof role.vision !== 'boolean') {
      fail(`domain.roles[${index}].vision must be true or false, got ${describeValue(role.vision)}`);
    }
    if (seen.has(role.name)) fail(`domain.roles[${index}].name is used twice: ${role.name}`);
    seen.add(role.name);
  }
}

function defaultScene(features: Readonly<Record<string, Feature>>): string | undefined {
  if (features.scene?.kind === 'category') return 'scene';
  return Object.keys(features).find((key) => features[key]?.kind === 'category');
}

/** Returns the scene of an observation, for statistics by scene. */
export function sceneOf(domain: Domain, observation: Observation): string {
  const value = domain.sceneFeature === undefined ? undefined : observation[domain.sceneFeature];
  return typeof value === 'string' ? value : 'all';
}

/**
 * Checks a definition and fills in its defaults. Throws ERR_DOMAIN_INVALID with the key, the rule and the value. The result's
 * type keeps the features as written, so that the compiler checks observations for planners of this domain.
 */
export function defineDomain<const F extends FeatureMap>(definition: DomainDefinition<F>): Domain<F> {
  const { name, description, features, roles } = definition;
  if (typeof name !== 'string' || name === '') fail(`domain.name must be a name, got ${describeValue(name)}`);
  if (!isRecord(features) || Object.keys(features).length === 0) {
    fail(`domain.features must name at least one feature, got ${describeValue(features)}`);
  }
  for (const [key, feature] of Object.entries(features)) {
    // An observation without the feature would seem to have it.
    if (key in Object.prototype) fail(`domain.features.${key} is a name that every object has; choose another`);
    checkFeature(`domain.features.${key}`, feature);
  }
  // A planner of several domains gives each a scope, which is none of a domain that is taken from it.
  const { scope: _, ...settings }: DomainDefinition & { readonly scope?: unknown } = definition;
  checkKeys('domain', 'domain', settings, DOMAIN_KEYS);
  const sceneFeature = definition.sceneFeature ?? defaultScene(features);
  if (sceneFeature !== undefined && features[sceneFeature]?.kind !== 'category') {
    const categories = Object.keys(features).filter((key) => features[key]?.kind === 'category');
    const rule = `must be a category of the domain (${categories.join(', ') || 'it has none'})`;
    fail(`domain.sceneFeature ${rule}, got ${describeValue(sceneFeature)}`);
  }
  checkPriorities(definition.priorities);
  checkNext(definition.next);
  const checkedRoles = roles ?? GENERIC_ROLES;
  checkRoles(checkedRoles);
  return Object.freeze({
    name,
    description: description ?? `An agent of the domain ${name}.`,
    // No prototype, so that an observation cannot name an inherited member.
    features: Object.freeze(Object.assign(Object.create(null) as object, features)),
    roles: Object.freeze([...checkedRoles]),
    sceneFeature,
    priorities: Object.freeze({ ...definition.priorities }),
    ...defined({ next: definition.next }),
  });
}

function checkNext(next: string | undefined): void {
  if (next === undefined || (typeof next === 'string' && next !== '')) return;
  const rule = 'must be the path or file URL of a module, because functions cannot cross to its thread';
  fail(`domain.next ${rule}, got ${describeValue(next)}`);
}

function checkPriorities(priorities: Readonly<Record<string, number>> | undefined): void {
  if (priorities === undefined) return;
  if (!isRecord(priorities)) {
    fail(`domain.priorities must be an object of numbers by scene, got ${describeValue(priorities)}`);
  }
  for (const [scene, priority] of Object.entries(priorities)) {
    if (!Number.isFinite(priority)) {
      fail(`domain.priorities.${scene} must be a number, got ${describeValue(priority)}`);
    }
  }
}

/** Priority of plans in the scene of an observation, if plans wait for models. */
export function priorityOf(domain: Domain, observation: Observation): number {
  const scene = sceneOf(domain, observation);
  return Object.hasOwn(domain.priorities, scene) ? (domain.priorities[scene] as number) : 0;
}

const imageFeatures = new WeakMap<Domain, readonly string[]>();

/** The names of a domain's image features, computed once. */
export function imageFeaturesOf(domain: Domain): readonly string[] {
  let names = imageFeatures.get(domain);
  if (names === undefined) {
    names = Object.keys(domain.features).filter((name) => domain.features[name]?.kind === 'image');
    imageFeatures.set(domain, names);
  }
  return names;
}
