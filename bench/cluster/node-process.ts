import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, type Random, randomIndex } from '../../src/shared/random.ts';
import { requestOf } from '../requests.ts';

/** A node of the cluster in a process of its own, with the agents that ask it. `fleet.ts` forks it. */
export type NodeCommand =
  | { readonly kind: 'open'; readonly options: Omit<PlannerOptions, 'domain'>; readonly name: string }
  /** Each agent asks in a closed loop, with a pause of `thinkMs` on average, about one of `states` states; 0: always a new one. */
  | {
      readonly kind: 'load';
      readonly agents: number;
      readonly thinkMs: number;
      readonly timeoutMs: number;
      readonly states: number;
      readonly seed: number;
    }
  | { readonly kind: 'rest'; readonly id: number }
  | {
      readonly kind: 'plan';
      readonly id: number;
      readonly index: number;
      readonly count: number;
      readonly timeoutMs: number;
    }
  /** Answers when this node's memory has the state. */
  | { readonly kind: 'await'; readonly id: number; readonly index: number }
  | { readonly kind: 'tally'; readonly id: number }
  | { readonly kind: 'stats'; readonly id: number }
  | { readonly kind: 'close' };

export interface NodeTally {
  plans: number;
  byModels: number;
  cached: number;
  illegal: number;
  /** Beyond the deadline by more than a timer of a busy machine may be. */
  late: number;
  failed: number;
  latestMs: number;
}

export type NodeReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown };

const LATE_MS = 100;

const tell = (reply: NodeReply): void => void process.send?.(reply);
const none = (): NodeTally => ({ plans: 0, byModels: 0, cached: 0, illegal: 0, late: 0, failed: 0, latestMs: 0 });
let tally = none();
let planner: Awaited<ReturnType<typeof createPlanner>> | undefined;
let isLoaded = false;
let name = '?';
let lanes: Promise<void>[] = [];

/** Without values, which may speak against what the model says. */
function stateOf(index: number): Omit<PlanRequest, 'qValues'> {
  const { qValues: _, ...state } = requestOf(index);
  return state;
}

async function ask(request: PlanRequest, timeoutMs: number): Promise<string> {
  const startedMs = performance.now();
  try {
    const plan = await (
      planner as { plan(of: PlanRequest, options: object): Promise<{ action: string; source: string }> }
    ).plan(request, { timeoutMs });
    const overMs = performance.now() - startedMs - timeoutMs;
    tally.plans++;
    tally.latestMs = Math.max(tally.latestMs, overMs);
    if (overMs > LATE_MS) tally.late++;
    if (!request.actions.includes(plan.action)) tally.illegal++;
    if (plan.source.startsWith('cache')) tally.cached++;
    else if (plan.source !== 'heuristic' && plan.source !== 'stale') tally.byModels++;
    return plan.source;
  } catch (error) {
    tally.failed++;
    return String((error as Error).message);
  }
}

async function lane(
  agent: number,
  { thinkMs, timeoutMs, states, seed }: NodeCommand & { kind: 'load' },
): Promise<void> {
  const random: Random = forkRandom(seed, `${name} ${agent}`);
  while (isLoaded) {
    const own = randomIndex(random, states > 0 ? states : 1e9);
    await ask({ ...stateOf(own), agent: `${name} ${agent}` }, timeoutMs);
    if (thinkMs > 0) await new Promise((resolve) => setTimeout(resolve, 2 * thinkMs * random.next()));
  }
}

async function obey(command: NodeCommand): Promise<void> {
  switch (command.kind) {
    case 'open':
      name = command.name;
      planner = (await createPlanner({ ...command.options, domain: skyrim } as PlannerOptions)) as typeof planner;
      planner?.on('warning', () => {});
      return tell({ kind: 'ready' });
    case 'load':
      isLoaded = true;
      lanes = Array.from({ length: command.agents }, (_, agent) => lane(agent, command));
      return;
    case 'rest':
      isLoaded = false;
      await Promise.all(lanes);
      return tell({ kind: 'reply', id: command.id, value: true });
    case 'plan': {
      const { id, index, count, timeoutMs } = command;
      const all = Array.from({ length: count }, (_, i) =>
        ask({ ...stateOf(index), agent: `${name}, once ${i}` }, timeoutMs),
      );
      const sources = await Promise.all(all);
      return tell({ kind: 'reply', id, value: { sources, atMs: performance.timeOrigin + performance.now() } });
    }
    case 'await': {
      const { id, index } = command;
      const request = { ...stateOf(index), agent: 'who looks' };
      const endMs = performance.now() + 5_000;
      while (planner?.peek(request as never) === undefined && performance.now() < endMs)
        await new Promise((resolve) => setTimeout(resolve, 1));
      const found = planner?.peek(request as never) !== undefined;
      return tell({ kind: 'reply', id, value: found ? performance.timeOrigin + performance.now() : undefined });
    }
    case 'tally': {
      const value = tally;
      tally = none();
      return tell({ kind: 'reply', id: command.id, value });
    }
    case 'stats':
      return tell({ kind: 'reply', id: command.id, value: planner?.stats() });
    case 'close':
      isLoaded = false;
      await planner?.close();
      process.disconnect?.();
  }
}

process.on('message', (command: NodeCommand) => {
  obey(command).catch((error: Error) => {
    console.error(`cluster: node ${name}: ${error.message}`);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit());
