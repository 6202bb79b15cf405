import { pick, type Random, randomIndex } from '../../shared/random.ts';
import type { Opinion } from './opinion.ts';
import type { ResolvedRates } from './options.ts';
import type { PromptReading } from './prompt-reader.ts';

/** Puts an opinion into words: mostly as requested, sometimes in another form, sometimes useless. Pure. */
type WordingRates = Pick<ResolvedRates, 'illegal' | 'ambiguous' | 'empty' | 'rambling' | 'oddFormat' | 'think'>;

type WordingKind = 'asked' | 'illegal' | 'ambiguous' | 'empty' | 'rambling' | 'odd';

function kindOf(rates: WordingRates, random: Random): WordingKind {
  let left = random.next();
  const kinds: readonly (readonly [WordingKind, number])[] = [
    ['illegal', rates.illegal],
    ['ambiguous', rates.ambiguous],
    ['empty', rates.empty],
    ['rambling', rates.rambling],
    ['odd', rates.oddFormat],
  ];
  for (const [kind, rate] of kinds) {
    if (left < rate) return kind;
    left -= rate;
  }
  return 'asked';
}

type Form = (opinion: Opinion, choice: string) => string;

/** Forms that a lenient reader understands. `choice` is the label if the actions have labels, else the name. */
export const ODD_FORMS: readonly Form[] = [
  ({ action, reason }) => `ACTION: ${action}\nREASON: ${reason}`,
  ({ action, reason, confidence }) => JSON.stringify({ action, reason, confidence }),
  ({ action, reason }) => `\`\`\`json\n${JSON.stringify({ action, reason }, null, 2)}\n\`\`\``,
  ({ action, reason }) => `**${action}**\n\n${reason}`,
  ({ action, reason }) => `I would choose ${action} because ${reason.charAt(0).toLowerCase()}${reason.slice(1)}`,
  ({ action, reason }, choice) => (choice === action ? `${action}\n${reason}` : `${choice}. ${action}: ${reason}`),
  ({ reason }, choice) => `Final answer: ${choice}\n\n${reason}`,
];

const INVENTED = [
  'teleport',
  'call_for_backup',
  'cast_invisibility',
  'set_a_trap',
  'climb_the_wall',
  'negotiate_peace',
];

/** The requested form, but an action that was not offered: a number too high or an invented name. */
function illegal(opinion: Opinion, reading: PromptReading, random: Random): string {
  if (reading.isNumbered && random.next() < 0.5) {
    return `${reading.actions.length + 1 + randomIndex(random, 3)}\n${opinion.reason}`;
  }
  const offered = new Set(reading.actions.map((action) => action.toLowerCase()));
  const invented = INVENTED.filter((name) => !offered.has(name));
  return `${pick(random, invented)}\n${opinion.reason}`;
}

function ambiguous(opinion: Opinion, reading: PromptReading, random: Random): string {
  const others = reading.actions.filter((action) => action !== opinion.action);
  if (others.length === 0) return RAMBLING;
  return `I would choose ${opinion.action} or ${pick(random, others)}.`;
}

const RAMBLING =
  'This is a difficult one, and a lot depends on how things develop over the next moments. There are good arguments on several sides, and more information would help.';

function inForm(opinion: Opinion, reading: PromptReading, rates: WordingRates, random: Random): string {
  const choice = reading.labels[opinion.index] ?? opinion.action;
  const kind = kindOf(rates, random);
  switch (kind) {
    case 'asked':
      return `${choice}\n${opinion.reason}`;
    case 'odd':
      return pick(random, ODD_FORMS)(opinion, choice);
    case 'illegal':
      return illegal(opinion, reading, random);
    case 'ambiguous':
      return ambiguous(opinion, reading, random);
    case 'empty':
      return '';
    case 'rambling':
      return RAMBLING;
    default:
      return kind satisfies never;
  }
}

function thought(opinion: Opinion, reading: PromptReading): string {
  const seen = [...reading.situation].slice(0, 3).map(([label, value]) => `${label} is ${value.slice(0, 60)}`);
  const other = reading.actions.find((action) => action !== opinion.action);
  const doubt = other === undefined ? '' : ` What about ${other}? Hmm, that seems worse.`;
  return `<think>\nOkay, let me see. The ${seen.join(', ') || 'situation is not clear'}.${doubt} ${opinion.reason}\n</think>\n\n`;
}

export function wordAnswer(opinion: Opinion, reading: PromptReading, rates: WordingRates, random: Random): string {
  const isThinking = random.next() < rates.think;
  const answer = inForm(opinion, reading, rates, random);
  return isThinking ? thought(opinion, reading) + answer : answer;
}

/** A thought of a given length, as reasoning models have. */
export function longThought(tokens: number): string {
  return `<think>${' hmm'.repeat(Math.min(tokens, THOUGHT_TOKENS_MAX))}\n</think>\n\n`;
}

/** A thought that goes round in circles until something else ends it. */
export function endlessThought(contextTokens: number): string {
  return `<think>${' hmm'.repeat(contextTokens)}`;
}

const THOUGHT_TOKENS_MAX = 20_000;

/** A thought that fits into the field of a schema. */
function shortThought({ action, reason }: Opinion): string {
  return `What matters most now? ${reason} The values that are told and what is seen have to fit together. Other actions would cost time or health. So ${action} looks best.`;
}

/** True if a schema has a field for a thought before the choice. */
export function isThoughtAsked(properties: Readonly<Record<string, SchemaProperty>>): boolean {
  return Object.keys(properties).some((name) => THOUGHT.test(name));
}

const THOUGHT = /thought|thinking|reasoning|analysis/i;

interface SchemaProperty {
  readonly type?: unknown;
  readonly enum?: unknown;
}

/** The opinion as the JSON that a schema asks for: an index, a name from an enum, a reason, a confidence. */
export function wordBySchema(opinion: Opinion, properties: Readonly<Record<string, SchemaProperty>>): string {
  const answer: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) answer[name] = schemaValue(opinion, name, property);
  return JSON.stringify(answer);
}

function schemaValue(opinion: Opinion, name: string, property: SchemaProperty): unknown {
  if (Array.isArray(property.enum)) {
    const options: readonly unknown[] = property.enum;
    const wanted = [opinion.action, opinion.index + 1, String(opinion.index + 1)];
    return wanted.find((value) => options.includes(value)) ?? options[0];
  }
  if (/confidence|certainty/i.test(name)) return opinion.confidence;
  if (THOUGHT.test(name)) return shortThought(opinion);
  if (property.type === 'integer' || property.type === 'number') return opinion.index + 1;
  return /action|choice|name/i.test(name) ? opinion.action : opinion.reason;
}

/** The answer to a prompt that offers no actions. */
export function smallTalk(text: string): string {
  const wanted = /\b(?:say|reply|answer|respond)(?: only)?(?: with)?(?: the word)?:? ["']?([A-Za-z]{1,20})["']?/i.exec(
    text,
  );
  return wanted ? (wanted[1] as string) : 'Understood. I am ready.';
}

/** Splits a text into pieces of a token's usual size; joined, they give the text again. */
export function tokenize(text: string): string[] {
  return text.match(/\s*\S{1,5}|\s+$/g) ?? [];
}
