import { defined } from '../shared/defined.ts';
import type { Domain } from '../shared/domain.ts';
import { encodeError } from '../shared/errors.ts';
import type { CallPhase } from '../shared/model-client/failures.ts';
import { planRead } from '../shared/reads/plan-read.ts';
import { pooled } from '../shared/reads/reading.ts';
import type { ExpertResult, ExpertTask, ReadTerms } from '../shared/tasks.ts';
import type { ChatCaller } from '../shared/vote-answer.ts';

export interface ReadAsk {
  readonly domain: Domain;
  readonly roles: readonly string[];
  readonly client: ChatCaller;
  readonly task: ExpertTask;
  readonly read: ReadTerms;
  readonly onPhase?: ((phase: CallPhase) => void) | undefined;
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
