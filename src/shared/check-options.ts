import { z } from 'zod';
import { describeValue, PlannerError } from './errors.ts';
import { nearestName } from './nearest-name.ts';
import { isSecretName, withoutCredentials } from './secrets.ts';

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

type Issue = z.core.$ZodIssue;

const NAME_RULE = 'names of 1 to 200 characters';

/** Everyday names of zod's types. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  nonoptional: 'given',
  number: 'a number',
  object: 'an object',
  record: 'an object of named entries',
  string: 'a text',
};

function ruleOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
      return `must be ${[...new Set(issue.errors.flat().map((inner) => ruleOf(inner).replace(/^must be /, '')))].join(' or ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return issue.inclusive ? `must be at least ${issue.minimum}` : `must be more than ${issue.minimum}`;
    case 'too_big':
      return issue.inclusive ? `must be at most ${issue.maximum}` : `must be less than ${issue.maximum}`;
    default:
      return issue.message.startsWith('must') ? issue.message : `is not valid (${issue.message})`;
  }
}

/** Returns the most specific issue of a union: the one that reached deepest. */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  let best: Issue = issue;
  // An alternative that is wrong at its root says no more than the union itself.
  let depth = 0;
  for (const inner of issue.errors.flat().map(deepest)) {
    const score = inner.path.length + (inner.code === 'unrecognized_keys' ? 1 : 0);
    if (score > depth) {
      best = { ...inner, path: [...issue.path, ...inner.path] } as Issue;
      depth = score;
    }
  }
  return best;
}

/** Describes a value for a message: a secret only by its type, an address only by what it must not hold. */
function describeMember(path: readonly PropertyKey[], value: unknown): string {
  const isSecret = path.some((key) => key === 'headers' || isSecretName(String(key)));
  if (!isSecret) return typeof value === 'string' ? describeValue(withoutCredentials(value)) : describeValue(value);
  if (typeof value === 'string' && value !== '') return `a text of ${value.length} characters`;
  return typeof value === 'number' || typeof value === 'bigint' ? 'a number' : describeValue(value);
}

const NAMES_DEPTH_MAX = 5;

/** The path of a member called `__proto__`, which the schema would leave out silently; undefined if there is none. */
function lostName(options: unknown, depth = 0): string | undefined {
  if (options === null || typeof options !== 'object' || depth >= NAMES_DEPTH_MAX) return undefined;
  if (Object.hasOwn(options, '__proto__')) return '__proto__';
  for (const [name, member] of Object.entries(options)) {
    const lost = lostName(member, depth + 1);
    if (lost !== undefined) return `${name}.${lost}`;
  }
  return undefined;
}

/** Checks options by their schema and returns them. Throws ERR_OPTIONS_INVALID with the key, the rule and the value. */
export function checkOptions<T>(schema: z.ZodType<T>, options: unknown, prefix = ''): T {
  const lost = lostName(options);
  if (lost !== undefined) failOptions(`${prefix}${lost} cannot be a name here`);
  const read = readBy(schema, options, prefix);
  return 'refusal' in read ? failOptions(read.refusal) : read.value;
}

/** Returns a value as its schema parses it, or one message that names the key, the rule and the value. */
export function readBy<T>(schema: z.ZodType<T>, given: unknown, prefix = ''): { value: T } | { refusal: string } {
  const { success, data, error } = schema.safeParse(given, { error: hintOf });
  return success ? { value: data } : { refusal: refusalText(given, error, prefix) };
}

/** Returns the message for an unknown key, which suggests the key that was probably meant; Zod words all other issues. */
function hintOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const { inst } = issue as { inst?: unknown };
  const near = inst instanceof z.ZodObject ? nearestName(issue.keys[0] as string, Object.keys(inst.shape)) : undefined;
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

/** Reports a misspelt key before the missing key that it was meant to be. */
function refusalText(root: unknown, error: z.ZodError, prefix: string): string {
  const issues = error.issues.map(deepest);
  const misspelt = issues.find(({ code, message }) => code === 'unrecognized_keys' && message.includes('did you mean'));
  const issue = misspelt ?? (issues[0] as Issue);
  if (issue.code === 'invalid_key') {
    const names = pathText(issue.path.slice(0, -1));
    return `${prefix}${names} must have ${NAME_RULE}, got ${describeValue(issue.path.at(-1))}`;
  }
  const key = prefix + (pathText(issue.path) || 'options');
  if (issue.code === 'unrecognized_keys') {
    const where = issue.path.length === 0 ? prefix : `${key}.`;
    return `${where}${issue.keys[0]} is not a known option${issue.message}`;
  }
  return `${key} ${ruleOf(issue)}, got ${describeMember(issue.path, valueAt(root, issue.path))}`;
}

/** Throws ERR_OPTIONS_INVALID, for rules between options that a schema cannot express. */
export function failOptions(message: string, cause?: unknown): never {
  throw new PlannerError('ERR_OPTIONS_INVALID', message, { cause });
}
