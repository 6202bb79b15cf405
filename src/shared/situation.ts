import { defined } from './defined.ts';
import type { Domain, Feature, FeatureValue, NumberFeature, Observation } from './domain.ts';
import { BEST_MAX, BestValued, OwnedRequest, qValueOf, type Valued } from './owned-request.ts';
import type { PlanRequest } from './plan-request.ts';
import { hasNumericNames, labelsFor } from './reads/labels.ts';
import { bucketOf } from './signature.ts';

/**
 * The parts of a prompt that all experts and the synthesizer share. They come first, word for word the same and ordered by how
 * slowly they change, so that a server's prefix cache need only read what is new. Pure.
 */
export interface Situation {
  readonly observation: Observation;
  /** The actions offered to models, in order; a subset if there are more than `promptActionsMax`. */
  readonly actions: readonly string[];
  /** The offered actions with the highest known values, best first, at most `TOP_VALUES`. */
  readonly topValues: readonly (readonly [action: string, value: number])[];
  /** The action that the agent has just taken twice in this situation, without effect. */
  readonly inVain?: string;
  /** The order of its parts. Default: the actions, then the features in the order of the domain. */
  readonly order?: PromptOrder;
}

/** The features of a domain by name, slowest first: those that change less than the list of actions stand before it. */
export interface PromptOrder {
  readonly beforeActions: readonly string[];
  readonly afterActions: readonly string[];
}

/** What all prompts of a model at an endpoint begin with. */
export interface Preamble {
  /** The names of the roles that the model is asked for there. */
  readonly roles: readonly string[];
  /** The JSON that it is asked for. Absent if it is not asked for JSON. `thinks` is whether that begins with a thought. */
  readonly json?: { readonly thinks: boolean };
}

/** How a model is asked to answer: two lines of text, or JSON constrained by a schema. */
export type AnswerForm = 'text' | 'json';

/** What a prompt asks for: an answer in words, one label of an action, or nothing if the request itself contains the question. */
type PromptForm = AnswerForm | 'label' | 'none';

export const TOP_VALUES = 5;

/** Maximum length of a text in the prompt: a local model's context is small, and the first sentences say the most. */
export const PROMPT_TEXT_CHARS_MAX = 2_000;
/** Maximum length of an action, or of any other value, in the prompt. */
export const PROMPT_NAME_CHARS_MAX = 300;

/**
 * Selects what models see of a request. If there are more than `actionsMax` actions, those with the highest values are offered,
 * then the first ones, in the order of the request. Every action offered is one of the request's own strings.
 */
export function situationOf(request: PlanRequest, actionsMax: number, inVain?: string, order?: PromptOrder): Situation {
  const isOverlong = request.actions.length > actionsMax;
  const best = bestValued(request, isOverlong ? actionsMax : TOP_VALUES);
  return {
    observation: request.observation,
    actions: isOverlong ? offered(request, best, actionsMax) : request.actions,
    topValues: best.slice(0, TOP_VALUES),
    ...defined({ inVain, order }),
  };
}

function bestValued(request: PlanRequest, max: number): readonly Valued[] {
  if (request.qValues === undefined) return [];
  if (OwnedRequest.is(request) && max <= BEST_MAX) return request.values.best.slice(0, max);
  const best = new BestValued(max);
  for (const action of request.actions) {
    const value = qValueOf(request, action);
    if (value !== undefined) best.add(action, value);
  }
  return best.list;
}

function offered(request: PlanRequest, best: readonly Valued[], actionsMax: number): string[] {
  const chosen = new Set(best.map(([action]) => action));
  for (const action of request.actions) {
    if (chosen.size >= actionsMax) break;
    chosen.add(action);
  }
  return request.actions.filter((action) => chosen.has(action));
}

/**
 * Selects what is sent to one worker: no images for an expert without vision, because megabytes would be copied, and no more of
 * a text than a prompt shows.
 */
export function situationFor(domain: Domain, situation: Situation, sees: boolean): Situation {
  const observation: Record<string, FeatureValue | undefined> = { ...situation.observation };
  for (const [name, feature] of Object.entries(domain.features)) {
    const value = observation[name];
    if (feature.kind === 'image' && !sees) delete observation[name];
    // Twice the limit, because white space is folded in a one-line text.
    if (feature.kind === 'text' && typeof value === 'string')
      observation[name] = value.slice(0, PROMPT_TEXT_CHARS_MAX * 2);
  }
  return { ...situation, observation };
}

/** White space and all controls: some models read U+0085 or U+001E as the end of a line, and escapes as their own marks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const BLANKS = /[\s\u0000-\u001f\u007f-\u009f]+/g;

/** Turns a text into one line of a prompt: a name with a line break could forge another line. */
export function oneLine(text: string, charsMax = PROMPT_NAME_CHARS_MAX): string {
  const flat = text.replace(BLANKS, ' ').trim();
  return flat.length > charsMax ? `${flat.slice(0, charsMax - 1)}…` : flat;
}

/** Line ends of all systems, and what some models read as one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const LINE_ENDS = /\r\n|[\n\r\u000b\u000c\u001e\u0085\u2028\u2029]/;
/** Controls that remain in a line. Tabs are kept, because tables are written with them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const LINE_CONTROLS = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g;
/** Maximum number of lines of a text in the prompt: even an empty line costs a token. */
const PROMPT_LINES_MAX = 200;

/** Puts a text with its spaces and line breaks in a block that it cannot close: the fence is longer than any run of backticks in it. */
function fenced(text: string): string {
  const cut = text.slice(0, PROMPT_TEXT_CHARS_MAX);
  const lines = cut.split(LINE_ENDS).map((line) => line.replace(LINE_CONTROLS, ' '));
  // The last line end starts no further line.
  if (lines.at(-1) === '') lines.pop();
  const isCut = cut.length < text.length || lines.length > PROMPT_LINES_MAX;
  const shown = [...lines.slice(0, PROMPT_LINES_MAX), ...(isCut ? ['…'] : [])].join('\n');
  const longest = Math.max(0, ...(shown.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}\n${shown}\n${fence}`;
}

function renderValue(feature: Feature, value: FeatureValue): string {
  switch (feature.kind) {
    case 'flag':
      return value === true ? 'yes' : 'no';
    case 'number':
      return String(roundedNumber(feature, value as number));
    case 'set':
      return (value as readonly string[]).length === 0 ? 'none' : oneLine((value as readonly string[]).join(', '));
    case 'category':
      return oneLine(value as string);
    case 'text':
      if (feature.layout === 'keep') return fenced(value as string);
      return oneLine(value as string, PROMPT_TEXT_CHARS_MAX);
    case 'image':
      return 'attached';
    default:
      return feature satisfies never;
  }
}

/** The labels made of names so far: as many as all domains have features. */
const labels = new Map<string, string>();

/** Turns `inCombat` or `in_combat` into "in combat". */
export function labelOf(name: string, feature: Feature): string {
  if (feature.label !== undefined) return feature.label;
  const known = labels.get(name);
  if (known !== undefined) return known;
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
  labels.set(name, words);
  return words;
}

/** A number to a hundredth of its range, unless that would put it into another bucket. */
function roundedNumber({ edges, range: [low, high] }: NumberFeature, value: number): number {
  const bucket = bucketOf(edges, value);
  for (let digits = digitsFor((high - low) / 5); digits <= DIGITS_MAX; digits++) {
    const rounded = roundedTo(value, digits);
    if (bucketOf(edges, rounded) === bucket) return rounded;
  }
  return value;
}

/** Maximum number of decimals that rounding leaves; a number that needs more is shown as it is. */
const DIGITS_MAX = 12;

/** The decimals with which numbers that differ by `spread` are told apart: 20 steps or more. Negative for tens and hundreds. */
function digitsFor(spread: number): number {
  return Math.min(DIGITS_MAX, Math.max(-DIGITS_MAX, Math.ceil(Math.log10(20 / spread))));
}

function roundedTo(value: number, digits: number): number {
  const step = 10 ** Math.abs(digits);
  const rounded = digits < 0 ? Math.round(value / step) * step : Math.round(value * step) / step;
  // Beyond the range of such numbers; and -0 is 0.
  return Number.isFinite(rounded) ? rounded + 0 : value;
}

/** Renders the line of a feature, or its block; undefined if the observation has none for the prompt. */
export function renderFeature(name: string, feature: Feature, observation: Observation): string | undefined {
  const value = observation[name];
  if (value === undefined || feature.kind === 'image') return undefined;
  const isBlock = feature.kind === 'text' && feature.layout === 'keep';
  return `${labelOf(name, feature)}:${isBlock ? '\n' : ' '}${renderValue(feature, value)}`;
}

function renderFeatures(domain: Domain, observation: Observation, names: readonly string[]): string {
  return names
    .map((name) => renderFeature(name, domain.features[name] as Feature, observation))
    .filter((line) => line !== undefined)
    .join('\n');
}

/** Renders the list of the actions as a model is shown it. */
export function renderActions(actions: readonly string[], answer: PromptForm): string {
  const labels = listLabels(actions, answer);
  return `ACTIONS\n${actions.map((action, index) => `${labels === undefined ? '-' : `${labels[index]}.`} ${oneLine(action)}`).join('\n')}`;
}

/** The labels of the actions in the list; undefined if they stand there by their names. */
function listLabels(actions: readonly string[], answer: PromptForm): readonly string[] | undefined {
  if (answer === 'label') return labelsFor(actions);
  return hasNumericNames(actions) ? undefined : actions.map((_, index) => String(index + 1));
}

/** Renders the values, by label if the actions are listed with labels. */
function renderValues({ actions, topValues }: Situation, answer: PromptForm): string | undefined {
  const values = topValues.map(([, value]) => value);
  if (values.length === 0) return undefined;
  const spread = Math.max(...values) - Math.min(...values) || Math.max(...values.map(Math.abs)) || 1;
  const labels = answer === 'none' ? undefined : listLabels(actions, answer);
  const nameOf = (action: string): string => labels?.[actions.indexOf(action)] ?? oneLine(action);
  const lines = topValues.map(([action, value]) => `${nameOf(action)}: ${roundedTo(value, digitsFor(spread))}`);
  return `VALUES\n${lines.join('\n')}`;
}

/**
 * Renders the first message: the agent, the rules, the roles that the model is asked for, and the JSON if it is asked for that.
 * None of it changes at a seat, so a new state costs reading the state alone, and each further role a line.
 */
export function renderSystem(domain: Domain, preamble?: Preamble): string {
  const { roles = domain.roles.map(({ name }) => name), json } = preamble ?? {};
  const described = domain.roles.filter(({ name }) => roles.includes(name));
  const lines = described.map(({ name, prompt }) => `- ${oneLine(name)}: ${prompt}`);
  return [
    `You advise an agent that must act now. ${domain.description}\nYou choose exactly one of the listed actions. VALUES are learned from experience; higher is better.`,
    ...(lines.length > 0 ? [`ROLES\n${lines.join('\n')}`] : []),
    ...(json === undefined ? [] : [renderJsonForm(json.thinks)]),
  ].join('\n\n');
}

/** Describes the JSON of an answer. A schema constrains the answer, but no server shows it to the model. */
function renderJsonForm(thinks: boolean): string {
  const thought = thinks ? '"thought": two or three short sentences that weigh the actions, ' : '';
  return `JSON: {${thought}"choice": the number of one action from the list, "confidence": from 0 to 1, "reason": one short sentence}`;
}

/** Renders the question of a role that is described in the first message. */
export function renderRole(role: string): string {
  return `YOUR ROLE: ${oneLine(role)}`;
}

function renderAnswerForm(actions: readonly string[], answer: PromptForm): string | undefined {
  const isByName = hasNumericNames(actions);
  const what = `the ${isByName ? 'name' : 'number'} of one action from the list`;
  switch (answer) {
    case 'none':
      return undefined;
    case 'label':
      return `ANSWER\nOnly the ${labelsFor(actions)[0] === '1' ? 'number' : 'letter'} of one action from the list.`;
    case 'text':
      return `ANSWER\nFirst line: ${what}, and nothing else.\nSecond line: one short sentence that says why.`;
    case 'json':
      return `ANSWER\nJSON and nothing else.${isByName ? ` "choice" is ${what}.` : ''}`;
    default:
      return answer satisfies never;
  }
}

/**
 * Renders the start of the second message that all roles share: what changes slowly first, and the form of the answer last, so
 * that prompts of all forms share everything before it.
 */
export function renderSituation(domain: Domain, situation: Situation, answer: PromptForm = 'text'): string {
  const { observation, actions, inVain, order } = situation;
  const { beforeActions, afterActions } = order ?? { beforeActions: [], afterActions: Object.keys(domain.features) };
  const slow = renderFeatures(domain, observation, beforeActions);
  const fast = renderFeatures(domain, observation, afterActions);
  const rest = [
    renderValues(situation, answer),
    inVain === undefined ? undefined : `TRIED WITHOUT EFFECT\n${oneLine(inVain)}`,
    renderAnswerForm(actions, answer),
  ];
  // A request that contains the question lists the actions itself.
  const state =
    answer === 'none'
      ? [`SITUATION\n${[slow, fast].filter((lines) => lines !== '').join('\n')}`]
      : slow === ''
        ? [renderActions(actions, answer), `SITUATION\n${fast}`]
        : [`SITUATION\n${slow}`, renderActions(actions, answer), fast === '' ? undefined : `NOW\n${fast}`];
  return [...state, ...rest].filter((part) => part !== undefined).join('\n\n');
}

/** What a prompt shows up to the end of its list of actions. As long as it stays the same, servers need not read that again. */
export function listKey(domain: Domain, { observation, actions, order }: Situation): string {
  return [renderFeatures(domain, observation, order?.beforeActions ?? []), ...actions].join('\n');
}
