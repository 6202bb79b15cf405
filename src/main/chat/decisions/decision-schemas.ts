import { z } from 'zod';
import { readBy } from '../../../shared/check-options.ts';
import { clip } from '../../../shared/clip.ts';
import { PlannerError } from '../../../shared/errors.ts';

/** Maximum length of a message: names of members and questions may have any length. */
const MESSAGE_CHARS_MAX = 500;

/** Checks a value against its schema. Throws ERR_REQUEST_INVALID with the member and the rule. */
export function checkDecision<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = readBy(schema, body);
  if ('value' in read) return read.value;
  const told = read.refusal.replace('is not a known option', 'is not known here');
  throw new PlannerError('ERR_REQUEST_INVALID', clip(told, MESSAGE_CHARS_MAX));
}

/** Maximum number of options in both protocols. */
const OPTIONS_MAX = 255;
export const QUESTIONS_MAX = 400;

/** Schema of the options of one question. */
export function optionList<T extends z.ZodType>(option: T): z.ZodType<z.output<T>[]> {
  return listOf(option, 2, OPTIONS_MAX);
}

export function listOf<T extends z.ZodType>(member: T, least: number, most: number): z.ZodType<z.output<T>[]> {
  const isBounded = (list: unknown[]): boolean => list.length >= least && list.length <= most;
  return z.array(member).refine(isBounded, `must have ${least} to ${most} members`);
}

export function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

/** Schema of a question, by its type. */
export function questionOf<T extends z.ZodType>(types: readonly [string, ...string[]], question: T): T {
  return z.looseObject({ type: z.enum(types) }).pipe(question as never) as unknown as T;
}
