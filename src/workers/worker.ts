import { workerData } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import { markChoice, markPhase, markRead, watchCancel } from '../shared/cancel-board.ts';
import { systemClock } from '../shared/clock.ts';
import type { Domain, ExpertRole } from '../shared/domain.ts';
import { encodeError } from '../shared/errors.ts';
import { ModelClient } from '../shared/model-client/model-client.ts';
import { renderSituation } from '../shared/situation.ts';
import type { ExpertResult, ExpertTask, Task, WorkerSetup } from '../shared/tasks.ts';
import { type ExpertQuery, queryExpert } from './expert-query.ts';
import { queryRead } from './read-query.ts';

const { domain, domains = {}, endpoints, cancelBuffer, connectionsMax } = workerData as WorkerSetup;
const cancelWords = new Int32Array(cancelBuffer);
const clients = new Map(endpoints.map((at) => [at.name, new ModelClient(at, systemClock, connectionsMax)]));
/** The shared part of prompts, by plan and form of answer: experts of one plan on this thread render it once. */
const situations = new LRUCache<string, string>({ max: 64 });

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`unknown ${what}: coordinator and worker disagree on their setup`);
  return value;
}

function domainOf({ domain: name }: ExpertTask): Domain {
  return name === undefined ? domain : known(domains[name], `domain ${name}`);
}

function roleOf(task: ExpertTask): ExpertRole {
  const role = domainOf(task).roles.find(({ name }) => name === task.role);
  return known(role, `role ${task.role}`);
}

function situationText(task: ExpertTask): string {
  const key = `${task.planId} ${task.answer} ${task.domain ?? ''} ${task.trimmed ?? ''}`;
  const held = situations.get(key);
  if (held !== undefined) return held;
  const text = renderSituation(domainOf(task), task.situation, task.answer);
  situations.set(key, text);
  return text;
}

/** Reports progress in shared memory while the task runs: later its slot belongs to another task. */
function marks(
  { primes, tellsChoice, cancel, situation }: ExpertTask,
  isRunning: () => boolean,
): Pick<ExpertQuery, 'onFirstToken' | 'onChoice' | 'onPhase'> {
  const place = (action: string | undefined): number | undefined =>
    action === undefined ? undefined : situation.actions.indexOf(action);
  return {
    onFirstToken: primes ? () => markRead(cancelWords, cancel) : undefined,
    onPhase: (phase) => isRunning() && markPhase(cancelWords, cancel, phase),
    onChoice: tellsChoice ? (action) => isRunning() && markChoice(cancelWords, cancel, place(action)) : undefined,
  };
}

async function runExpert(task: ExpertTask): Promise<ExpertResult> {
  const startedAt = systemClock.now();
  const controller = new AbortController();
  const unwatch = watchCancel(cancelWords, task.cancel, controller);
  let isRunning = true;
  try {
    const client = known(clients.get(task.endpoint), `endpoint ${task.endpoint}`);
    const { read } = task;
    if (read !== undefined) {
      const { onPhase } = marks(task, () => isRunning);
      const query = { domain: domainOf(task), roles: read.roles, client, task, read, onPhase };
      return await queryRead(query, controller.signal);
    }
    const query = { domain: domainOf(task), role: roleOf(task), client, task, shared: situationText(task) };
    return await queryExpert({ ...query, ...marks(task, () => isRunning) }, controller.signal);
  } catch (error) {
    // A bug: reported as such, never retried. If the thread dies, the pool notices.
    return { ok: false, error: encodeError(error), report: { totalMs: systemClock.now() - startedAt } };
  } finally {
    // A timed-out call may receive a little more before its connection is closed.
    isRunning = false;
    unwatch();
  }
}

let turnEnd: Promise<void> | undefined;

/**
 * Resolves when this turn of the event loop ends. Results are then posted all at once: a message to a sleeping coordinator costs this thread a system
 * call to wake it, about as much as the rest of a query.
 */
function endOfTurn(): Promise<void> {
  turnEnd ??= new Promise((resolve) => {
    setImmediate(() => {
      turnEnd = undefined;
      resolve();
    });
  });
  return turnEnd;
}

export default async function run(task: Task): Promise<ExpertResult | 'ready'> {
  switch (task.kind) {
    case 'expert': {
      const result = await runExpert(task);
      await endOfTurn();
      return result;
    }
    case 'ready':
      return 'ready';
    default:
      return task satisfies never;
  }
}
