import { labelsFor } from '../../../shared/reads/labels.ts';
import {
  type DecisionMessage,
  type DecisionPart,
  type Option,
  type Question,
  type QuestionType,
  textPart,
} from './questionnaire.ts';

/** Texts that precede the instructions: the meaning of each type of question. */
const LEADS: Readonly<Record<QuestionType, string>> = {
  choice: 'QUESTION\n',
  truth: 'QUESTION\nIs this true?\n',
  score: 'QUESTION\nWhich level fits?\n',
};

/** The names from which labels are made for the options of one chat. */
export function optionNames({ type }: Question, options: readonly Option[]): string[] {
  const isTyped = new Set(options.map(({ value }) => String(value))).size < options.length;
  return options.map(({ value }) => {
    if (type === 'truth') return value === true ? 'yes' : 'no';
    return oneLine(isTyped ? JSON.stringify(value) : String(value));
  });
}

/** The chat that asks for the label of one of several options. The state comes first, so that all questions share their beginning. */
export function questionChat(
  state: readonly DecisionMessage[],
  question: Question,
  options: readonly Option[],
): readonly DecisionMessage[] {
  const parts = [textPart(LEADS[question.type]), ...question.instructions, textPart(optionText(question, options))];
  const last = state.at(-1);
  if (last?.role !== 'user') return [...state, { role: 'user', content: joined(parts) }];
  const said = typeof last.content === 'string' ? [textPart(last.content)] : last.content;
  return [...state.slice(0, -1), { role: 'user', content: joined([...said, textPart('\n\n'), ...parts]) }];
}

function optionText(question: Question, options: readonly Option[]): string {
  const names = optionNames(question, options);
  const labels = labelsFor(names);
  const lines = options.map(({ description }, index) => {
    const more = description === undefined ? '' : `: ${oneLine(description)}`;
    return `${labels[index]}. ${names[index]}${more}`;
  });
  const label = labels[0] === '1' ? 'number' : 'letter';
  return `\n\nOPTIONS\n${lines.join('\n')}\n\nANSWER\nOnly the ${label} of one option, and nothing else.`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Joins adjacent texts into one; servers without vision take no lists. */
function joined(parts: readonly DecisionPart[]): string | readonly DecisionPart[] {
  if (parts.every(({ text }) => typeof text === 'string')) return parts.map(({ text }) => text).join('');
  const whole: DecisionPart[] = [];
  for (const part of parts) {
    const before = whole.at(-1);
    const isText = typeof part.text === 'string' && typeof before?.text === 'string';
    if (isText) whole[whole.length - 1] = textPart(`${before.text}${part.text}`);
    else whole.push(part);
  }
  return whole;
}
