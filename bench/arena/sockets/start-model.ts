import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Cell } from '../play-seed.ts';

export interface ModelProcess {
  /** As OpenAI clients take it. */
  readonly baseURL: string;
  close(): void;
}

/** Starts model-process.ts in a process of its own. It ends with this one. */
export async function startModel({ world, latency }: Cell, seed: number, speed: number): Promise<ModelProcess> {
  const args = [world, String(seed), latency, String(speed)];
  const child = fork(new URL('model-process.ts', import.meta.url), args, { execArgv: [] });
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the model process ended at its start')));
  const [told] = (await Promise.race([once(child, 'message'), failed])) as [{ port: number }];
  failed.catch(() => {});
  return { baseURL: `http://127.0.0.1:${told.port}/v1`, close: () => child.disconnect() };
}
