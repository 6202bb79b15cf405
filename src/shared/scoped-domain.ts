import { createHash } from 'node:crypto';
import type { Domain } from './domain.ts';

const HASH_CHARS = 16;

/**
 * The domain as one of several in a planner: its keys carry its name, its roles and its description, so that no answer of another
 * domain is ever found for it, nor one that was given to other roles.
 */
export function scopedDomain(name: string, domain: Domain): Domain {
  const told = JSON.stringify([domain.description, domain.roles]);
  const hash = createHash('sha256').update(told).digest('hex').slice(0, HASH_CHARS);
  return Object.freeze({ ...domain, scope: `${name} ${hash}` });
}
