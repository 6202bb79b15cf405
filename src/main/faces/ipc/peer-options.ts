import { z } from 'zod';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { AnyPlannerOptions, ResolvedOptions } from '../../options/planner-options.ts';
import { resolveOptions } from '../../options/resolve-options.ts';
import type { RemoteOptions } from './remote-planner.ts';

const MS_MAX = 24 * 60 * 60 * 1000;
const ms = z.number().int().min(0).max(MS_MAX);

export const remoteShape = {
  lateGraceMs: ms.default(50),
  startTimeoutMs: ms.min(1).default(60_000),
  closeTimeoutMs: ms.default(5_000),
  callsMax: z.number().int().min(1).max(10_000_000).default(16_384),
};

export type ResolvedRemote = Required<RemoteOptions>;

/** Checks a planner's options before anything is started, and that they can be sent over the channel. */
export function checkCrossing(options: AnyPlannerOptions): ResolvedOptions {
  const resolved = resolveOptions(options);
  checkPlain('', options, new Set());
  return resolved;
}

function checkPlain(key: string, value: unknown, above: Set<object>): void {
  if (typeof value === 'function' || typeof value === 'symbol') refuse(key, describeValue(value));
  if (value === null || typeof value !== 'object') return;
  if (above.has(value)) refuse(key, 'an object inside itself');
  if (!Array.isArray(value) && !isPlain(value)) refuse(key, `an instance of ${value.constructor?.name ?? 'a class'}`);
  above.add(value);
  for (const [name, inner] of Object.entries(value)) {
    checkPlain(Array.isArray(value) ? `${key}[${name}]` : key === '' ? name : `${key}.${name}`, inner, above);
  }
  above.delete(value);
}

/** True for a plain object of any realm: its prototype is null or has no prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(key: string, got: string): never {
  const rule = 'must be plain data, to cross to another thread or process';
  throw new PlannerError('ERR_OPTIONS_INVALID', `${key === '' ? 'options' : key} ${rule}, got ${got}`);
}
