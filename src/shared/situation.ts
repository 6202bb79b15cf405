import { defined } from './defined.ts';
import type { Domain, Feature, FeatureValue, Observation } from './domain.ts';
import { BEST_MAX, BestValued, OwnedRequest, qValueOf, type Valued } from './owned-request.ts';
import type { PlanRequest } from './plan-request.ts';
import { hasNumericNames, labelsFor } from './reads/labels.ts';

/**
 * The part of a prompt that all experts and the synthesizer share. It comes first, word for word the same, so that a server's
 * prefix cache reads it once. Pure.
 */
export interface Situation {
  readonly observation: Observation;
  /** The actions offered to models, in order; a subset if there are more than `promptActionsMax`. */
  readonly actions: readonly string[];
  /** The offered actions with the highest known values, best first, at most `TOP_VALUES`. */
  readonly topValues: readonly (readonly [action: string, value: number])[];
  /** The action that the agent has just taken twice in this situation, without effect. */
  readonly inVain?: string;
}

/** How a model is asked to answer: two lines of text, or JSON constrained by a schema. */
export type AnswerForm = 'text' | 'json';

/** What a prompt asks for: an answer in words, one label of an action, or nothing if the request itself contains the question. */
export type PromptForm = AnswerForm | 'label' | 'none';

export const TOP_VALUES = 5;

/** Maximum length of a text in the prompt: a local model's context is small, and the first sentences say the most. */
const PROMPT_TEXT_CHARS_MAX = 2_000;
const PROMPT_NAME_CHARS_MAX = 300;

/**
 * Selects what models see of a request. If there are more than `actionsMax` actions, those with the highest values are offered,
 * then the first ones, in the order of the request. Every action offered is one of the request's own strings.
 */
export function situationOf(request: PlanRequest, actionsMax: number, inVain?: string): Situation {
  const isOverlong = request.actions.length > actionsMax;
  const best = bestValued(request, isOverlong ? actionsMax : TOP_VALUES);
  return {
    observation: request.observation,
    actions: isOverlong ? offered(request, best, actionsMax) : request.actions,
    topValues: best.slice(0, TOP_VALUES),
    ...defined({ inVain }),
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
export function fenced(text: string): string {
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
      return String(value);
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

/** Turns `inCombat` or `in_combat` into "in combat". */
export function labelOf(name: string, feature: Feature): string {
  return (
    feature.label ??
    name
      .replace(/([a-z])([A-Z])/g, '$1 $2')
      .replaceAll('_', ' ')
      .toLowerCase()
  );
}

function renderObservation(domain: Domain, observation: Observation): string {
  const lines: string[] = [];
  for (const [name, feature] of Object.entries(domain.features)) {
    const value = observation[name];
    if (value !== undefined && feature.kind !== 'image') {
      const isBlock = feature.kind === 'text' && feature.layout === 'keep';
      lines.push(`${labelOf(name, feature)}:${isBlock ? '\n' : ' '}${renderValue(feature, value)}`);
    }
  }
  return lines.join('\n');
}

function renderActions(actions: readonly string[], answer: PromptForm): string {
  if (answer === 'label') {
    const labels = labelsFor(actions);
    return actions.map((action, index) => `${labels[index]}. ${oneLine(action)}`).join('\n');
  }
  const byName = hasNumericNames(actions);
  return actions.map((action, i) => (byName ? `- ${oneLine(action)}` : `${i + 1}. ${oneLine(action)}`)).join('\n');
}

/**
 * Renders the shared first message: a description of the agent and, with `sharesRoles`, of all roles. What never changes comes
 * first, for servers' prefix caches: a new state costs reading the state alone, and each further role a line.
 */
export function renderSystem(domain: Domain, sharesRoles = false): string {
  const roles = domain.roles.map(({ name, prompt }) => `- ${oneLine(name)}: ${prompt}`);
  const shared = sharesRoles && roles.length > 0 ? `\n\nROLES\n${roles.join('\n')}` : '';
  return `You advise an agent that must act now. ${domain.description}\nYou choose exactly one of the listed actions. You answer briefly.${shared}`;
}

/** Renders the question of a role that is described in the shared first message. */
export function renderRole(role: string): string {
  return `YOUR ROLE: ${oneLine(role)}`;
}

/** Describes the form of the answer. A schema constrains the answer, but no server shows it to the model. */
function renderAnswerForm(actions: readonly string[], answer: PromptForm, thinks: boolean): string {
  if (answer === 'none') return '';
  if (answer === 'label') {
    const label = labelsFor(actions)[0] === '1' ? 'number' : 'letter';
    return `ANSWER\nOnly the ${label} of one action from the list.`;
  }
  const what = `the ${hasNumericNames(actions) ? 'name' : 'number'} of one action from the list`;
  if (answer === 'text') {
    return `ANSWER\nFirst line: ${what}, and nothing else.\nSecond line: one short sentence that says why.`;
  }
  const thought = thinks ? '"thought" weighs the actions in two or three short sentences, ' : '';
  const rest = '"confidence" says from 0 to 1 how sure you are, "reason" is one short sentence that says why';
  return `ANSWER\nOne JSON object and nothing else: ${thought}"choice" is ${what}, ${rest}.`;
}

/**
 * Renders the shared start of the second message: situation, actions, values, and last the form of the answer, so that prompts
 * of all forms share everything before it. `thinks` is whether JSON begins with a thought.
 */
export function renderSituation(
  domain: Domain,
  situation: Situation,
  answer: PromptForm = 'text',
  thinks = false,
): string {
  const values = situation.topValues.map(([action, value]) => `${oneLine(action)}: ${value.toFixed(2)}`);
  const form = renderAnswerForm(situation.actions, answer, thinks);
  return [
    `SITUATION\n${renderObservation(domain, situation.observation)}`,
    ...(answer === 'none' ? [] : [`ACTIONS\n${renderActions(situation.actions, answer)}`]),
    ...(values.length > 0 ? [`VALUES (learned from experience, higher is better)\n${values.join('\n')}`] : []),
    ...(situation.inVain === undefined ? [] : [`TRIED WITHOUT EFFECT\n${oneLine(situation.inVain)}`]),
    ...(form === '' ? [] : [form]),
  ].join('\n\n');
}
