import { type Domain, imageFeaturesOf } from '../../../shared/domain.ts';
import { labelOf, PROMPT_NAME_CHARS_MAX, PROMPT_TEXT_CHARS_MAX, type Situation } from '../../../shared/situation.ts';

/*
 * Shortens a situation until its prompt fits a model, in this order: long texts, actions of low value, optional features. Rules, roles
 * and the form of the answer always stay. Actions that are left out of a prompt stay choosable by votes of others and by the ladder.
 */
export interface FittedSituation {
  readonly situation: Situation;
  /** What was left out, in words; absent if nothing was. */
  readonly trimmed?: string;
}

/** A text is not shortened below this length. */
const TEXT_CHARS_MIN = 160;
/** A model is offered at least this many of the actions. */
const ACTIONS_MIN = 4;
/** Number, separators and line end of a list's line, and of a value's. */
const LINE_CHARS = 5;
const VALUE_CHARS = 9;
/** Headings, and the form of the answer. */
const FRAME_CHARS = 180;

/** Returns the situation with at most about `charsMax` characters in its prompt, or as few as possible. Pure. */
export function fitted(domain: Domain, situation: Situation, charsMax: number): FittedSituation {
  let over = situationChars(domain, situation) - charsMax;
  if (over <= 0) return { situation };
  const said: string[] = [];
  let fitting = situation;
  for (const trim of [shortenTexts, leaveOutActions, leaveOutFeatures]) {
    fitting = trim(domain, fitting, over, said);
    over = situationChars(domain, fitting) - charsMax;
    if (over <= 0) break;
  }
  return said.length === 0 ? { situation } : { situation: fitting, trimmed: said.join('; ') };
}

/** Estimates the characters of a rendered situation, without rendering it. */
export function situationChars(domain: Domain, { observation, actions, topValues }: Situation): number {
  let chars = FRAME_CHARS + topValues.length * VALUE_CHARS;
  for (const action of actions) chars += actionChars(action);
  for (const name of Object.keys(observation)) chars += featureChars(domain, observation, name);
  return chars;
}

/** An action's line in the list. */
function actionChars({ length }: string): number {
  return Math.min(length, PROMPT_NAME_CHARS_MAX) + LINE_CHARS;
}

function featureChars(domain: Domain, observation: Situation['observation'], name: string): number {
  const feature = domain.features[name];
  const value = observation[name];
  if (feature === undefined || value === undefined || feature.kind === 'image') return 0;
  const text = Array.isArray(value) ? value.join(', ') : String(value);
  const charsMax = feature.kind === 'text' ? PROMPT_TEXT_CHARS_MAX : PROMPT_NAME_CHARS_MAX;
  return labelOf(name, feature).length + Math.min(text.length, charsMax) + 3;
}

type Trim = (domain: Domain, situation: Situation, over: number, said: string[]) => Situation;

const shortenTexts: Trim = (domain, situation, over, said) => {
  const observation = { ...situation.observation };
  const lengthOf = (name: string): number => Math.min(String(observation[name]).length, PROMPT_TEXT_CHARS_MAX);
  const texts = Object.keys(observation).filter(
    (name) => domain.features[name]?.kind === 'text' && typeof observation[name] === 'string',
  );
  let left = over;
  for (const name of texts.sort((a, b) => lengthOf(b) - lengthOf(a))) {
    const before = lengthOf(name);
    const chars = Math.max(TEXT_CHARS_MIN, before - left);
    if (left <= 0 || chars >= before) break;
    observation[name] = `${String(observation[name]).slice(0, chars - 1)}…`;
    left -= before - chars;
    said.push(`${name} cut to ${chars} characters`);
  }
  return { ...situation, observation };
};

/** Leaves out the last actions without a known value, then those of the lowest value. */
const leaveOutActions: Trim = (_, situation, over, said) => {
  const { actions, topValues } = situation;
  const valued = topValues.map(([action]) => action);
  const ranked = [...valued, ...actions.filter((action) => !valued.includes(action))];
  let left = over;
  let count = ranked.length;
  while (left > 0 && count > ACTIONS_MIN) left -= actionChars(ranked[--count] as string);
  if (count === ranked.length) return situation;
  const kept = new Set(ranked.slice(0, count));
  said.push(`${ranked.length - count} of ${actions.length} actions left out`);
  return {
    ...situation,
    actions: actions.filter((action) => kept.has(action)),
    topValues: topValues.filter(([action]) => kept.has(action)),
  };
};

/** Leaves out optional features, the last of the domain first. Pictures are no part of the text. */
const leaveOutFeatures: Trim = (domain, situation, over, said) => {
  const observation = { ...situation.observation };
  const images = imageFeaturesOf(domain);
  let left = over;
  for (const name of Object.keys(domain.features).reverse()) {
    if (left <= 0) break;
    const isOptional = domain.features[name]?.optional === true && observation[name] !== undefined;
    if (!isOptional || images.includes(name)) continue;
    left -= featureChars(domain, observation, name);
    delete observation[name];
    const cut = said.findIndex((what) => what.startsWith(`${name} cut to `));
    said.splice(cut < 0 ? said.length : cut, cut < 0 ? 0 : 1, `${name} left out`);
  }
  return { ...situation, observation };
};
