import type { ChatAnswer, ChatSchema } from './model-client/model-client.ts';
import { hasNumericNames } from './reads/labels.ts';
import { closedObject } from './vote/asked-json.ts';
import { stripThinking } from './vote/thoughts.ts';

/**
 * Answers constrained by a JSON schema: the schema, and whether a server kept to it. Members are in the order in which a model
 * writes them, which llama.cpp's grammar takes from the schema: a thought helps only before the choice, and a choice before its
 * reason survives if the answer is cut short.
 */
const THOUGHT_CHARS_MAX = 400;
const REASON_CHARS_MAX = 160;

interface AnswerSchemaOptions {
  /** True if the answer begins with a thought, for models that otherwise judge worse. */
  readonly thinks: boolean;
}

/** The schema of one vote for one of `actions`: by number, or by name if the names are numbers themselves. */
export function answerSchema(actions: readonly string[], { thinks }: AnswerSchemaOptions): ChatSchema {
  const choice = hasNumericNames(actions)
    ? { type: 'string', enum: actions }
    : { type: 'integer', minimum: 1, maximum: actions.length };
  const properties = {
    ...(thinks ? { thought: { type: 'string', maxLength: THOUGHT_CHARS_MAX } } : {}),
    choice,
    confidence: { type: 'number', minimum: 0, maximum: 1 },
    reason: { type: 'string', maxLength: REASON_CHARS_MAX },
  };
  const required = Object.keys(properties);
  return { name: 'vote', schema: { type: 'object', properties, required, additionalProperties: false } };
}

/**
 * Whether an answer is JSON of the schema for these actions; undefined if its tokens ran out first, in a thought or inside an
 * object. Text lengths, and bounds of numbers other than the choice, are not checked: llama.cpp ignores such bounds.
 */
export function keepsSchema(answer: ChatAnswer, actions: readonly string[]): boolean | undefined {
  const content = stripThinking(answer.content).trim();
  const text = content === '' ? answer.reasoning.trim() : content;
  if (answer.finishReason === 'length' && (content === '' || text.startsWith('{'))) {
    return isVoteOf(text, actions) || undefined;
  }
  return isVoteOf(text, actions);
}

function isVoteOf(json: string, actions: readonly string[]): boolean {
  if (closedObject(json)?.length !== json.length) return false;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return false;
  }
  const { thought = '', choice, confidence, reason, ...others } = value as Record<string, unknown>;
  const isTyped = typeof thought === 'string' && typeof confidence === 'number' && typeof reason === 'string';
  return isTyped && isChoiceOf(choice, actions) && Object.keys(others).length === 0;
}

function isChoiceOf(choice: unknown, actions: readonly string[]): boolean {
  if (hasNumericNames(actions)) return actions.includes(choice as string);
  return Number.isInteger(choice) && (choice as number) >= 1 && (choice as number) <= actions.length;
}
