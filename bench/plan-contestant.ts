import type { CreateContestant } from './contestants/contestant.ts';
import { inFlight } from './figures.ts';
import { requestOf } from './requests.ts';

/**
 * One contestant of plan.bench.ts in a process of its own, so that threads, compiled code and garbage do not mix. Takes
 * its name and the server's base URL as arguments, says `ready`, then answers each order with what it cost.
 */
export const CONTESTANTS = ['conclave', 'conclave-read', 'openai', 'openai-stream', 'langgraph', 'undici'] as const;
export type ContestantName = (typeof CONTESTANTS)[number];

export interface Order {
  readonly plans: number;
  readonly width: number;
}

export interface Cost {
  /** User and system time of all threads of the process, milliseconds. */
  readonly cpuMs: number;
  /** Of which on the main thread. */
  readonly mainCpuMs: number;
  readonly wallMs: number;
}

async function start([name, baseURL]: readonly string[]): Promise<void> {
  const { create } = (await import(`./contestants/${name}.ts`)) as { create: CreateContestant };
  const contestant = await create(baseURL as string);
  let next = 0;
  const plan = async (): Promise<void> => {
    const request = requestOf(next++);
    const action = await contestant.plan(request);
    if (!request.actions.includes(action)) throw new Error(`${name} chose "${action}", which is not legal`);
  };
  const execute = async ({ plans, width }: Order): Promise<Cost> => {
    const startedAt = performance.now();
    const cpu = process.cpuUsage();
    const main = process.threadCpuUsage();
    await inFlight(plans, width, plan);
    const used = process.cpuUsage(cpu);
    const usedMain = process.threadCpuUsage(main);
    return {
      cpuMs: (used.user + used.system) / 1000,
      mainCpuMs: (usedMain.user + usedMain.system) / 1000,
      wallMs: performance.now() - startedAt,
    };
  };
  process.on('message', async (order: Order) => process.send?.(await execute(order)));
  process.on('disconnect', () => contestant.close().then(() => process.exit()));
  process.send?.('ready');
}

if (import.meta.main) await start(process.argv.slice(2));
