import { createHash } from 'node:crypto';
import type { Domain } from '../../../shared/domain.ts';
import { recordIdentity } from '../../cache/disk/decision-record.ts';

/** Version of what nodes say to each other: batches, messages, and the values of claims. */
const PROTOCOL_VERSION = 2;

/** What nodes must agree on to share decisions. */
export interface SharedGround {
  readonly domain: Domain;
  /** Every expert and synthesizer: its role and its model. */
  readonly seats: readonly { readonly role: string; readonly model: string }[];
  /** What models are told about the domain and their roles. */
  readonly prompt: string;
}

/** Returns 12 hexadecimal digits, which all names of the log, of claims and of acts carry: nodes that would not agree never meet. */
export function fingerprintOf({ domain, seats, prompt }: SharedGround): string {
  const asked = seats.map(({ role, model }) => JSON.stringify([role, model])).sort();
  const roles = domain.roles.map(({ name, prompt: text }) => [name, text]);
  const ground = [PROTOCOL_VERSION, recordIdentity(domain), roles, asked, prompt];
  return createHash('sha256').update(JSON.stringify(ground)).digest('hex').slice(0, 12);
}
