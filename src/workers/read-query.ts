import { defined } from '../shared/defined.ts';
import { encodeError } from '../shared/errors.ts';
import { planRead } from '../shared/reads/plan-read.ts';
import { pooled } from '../shared/reads/reading.ts';
import type { ExpertResult, ReadTerms } from '../shared/tasks.ts';
import type { ExpertQuery } from './expert-query.ts';

export interface ReadAsk extends Pick<ExpertQuery, 'domain' | 'client' | 'task' | 'onPhase'> {
  readonly roles: readonly string[];
  readonly read: ReadTerms;
}

/** Requests the probabilities of the actions; the vote is the best of the pooled ones. Known failures are returned as values; bugs throw. */
export async function queryRead(query: ReadAsk, signal: AbortSignal): Promise<ExpertResult> {
  const { domain, roles, client, task, read, onPhase } = query;
  if (client.read === undefined) throw new Error('a client that cannot read was asked to');
  const { situation, model, timeoutMs, preamble } = task;
  const call = planRead(domain, situation, { ...read, roles, model, timeoutMs }, preamble);
  const outcome = await client.read({ ...call, ...defined({ onPhase }) }, signal);
  const { report } = outcome;
  if (!outcome.ok) return { ok: false, error: encodeError(outcome.failure), report };
  const probabilities = pooled(outcome.readings);
  const confidence = Math.max(...probabilities);
  const action = situation.actions[probabilities.indexOf(confidence)] as string;
  return { ok: true, vote: { action, confidence, reason: '' }, readings: outcome.readings, report };
}
