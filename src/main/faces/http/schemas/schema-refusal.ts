import type { FastifySchemaValidationError } from 'fastify';
import { clip } from '../../../../shared/clip.ts';
import { describeValue, PlannerError } from '../../../../shared/errors.ts';

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'an object',
  string: 'a text',
};

/** The first thing that a body's schema refuses, in one line: the key, the rule and the value. */
export function schemaRefusal(body: unknown, errors: readonly FastifySchemaValidationError[]): PlannerError {
  const error = deepest(errors);
  const path = error.instancePath.split('/').slice(1).map(unescaped);
  const { params } = error;
  if (error.keyword === 'additionalProperties') {
    return invalid(`${keyText([...path, String(params.additionalProperty)])} is not known here`);
  }
  if (error.keyword === 'required') {
    return invalid(`${keyText([...path, String(params.missingProperty)])} must be given, got nothing`);
  }
  const value = describeValue(path.reduce<unknown>(member, body));
  return invalid(`${keyText(path) || 'the body'} ${ruleOf(error)}, got ${value}`);
}

function invalid(message: string): PlannerError {
  return new PlannerError('ERR_REQUEST_INVALID', message);
}

/** Of a union's alternatives, the one that the body came furthest in. */
function deepest(errors: readonly FastifySchemaValidationError[]): FastifySchemaValidationError {
  let best = errors[0] as FastifySchemaValidationError;
  for (const error of errors) if (depth(error) > depth(best)) best = error;
  return best;
}

function depth({ instancePath, keyword }: FastifySchemaValidationError): number {
  return instancePath.split('/').length + (keyword === 'additionalProperties' ? 1 : 0);
}

function ruleOf({ keyword, params, message }: FastifySchemaValidationError): string {
  switch (keyword) {
    case 'type':
      return `must be ${[params.type]
        .flat()
        .map((type) => TYPE_NAMES[String(type)] ?? type)
        .join(' or ')}`;
    case 'enum':
      return `must be one of ${([params.allowedValues].flat() as unknown[]).map(String).join(', ')}`;
    case 'const':
      return `must be ${String(params.allowedValue)}`;
    case 'minLength':
      return Number(params.limit) === 1 ? 'must not be empty' : `must be at least ${params.limit} characters`;
    case 'maxLength':
      return `must be at most ${params.limit} characters`;
    case 'minItems':
    case 'minProperties':
      return `must hold at least ${params.limit}`;
    case 'maxItems':
    case 'maxProperties':
      return `must hold at most ${params.limit}`;
    case 'minimum':
      return `must be at least ${params.limit}`;
    case 'maximum':
      return `must be at most ${params.limit}`;
    case 'exclusiveMinimum':
      return `must be more than ${params.limit}`;
    case 'exclusiveMaximum':
      return `must be less than ${params.limit}`;
    case 'uniqueItems':
      return `must hold different items, and [${params.i}] equals [${params.j}]`;
    default:
      return message ?? 'is not valid';
  }
}

function member(value: unknown, key: string): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

/** As JSON pointers have it. */
function unescaped(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** The key is the caller's too: 10 MB of one must not come back. */
function keyText(path: readonly string[]): string {
  const text = path.reduce((text, key) => {
    if (/^\d+$/.test(key)) return `${text}[${key}]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
  return clip(text, KEY_CHARS_MAX);
}

const KEY_CHARS_MAX = 100;
