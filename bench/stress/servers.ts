import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { ServerMessage, ServerName } from './server-process.ts';

export interface StressServer {
  /** As OpenAI clients take it. */
  readonly baseURL: string;
  close(): void;
}

/** In a process of its own, so that its time and its memory are no part of what is measured. */
export async function startServer(name: ServerName, seed: number): Promise<StressServer> {
  const child = fork(new URL('server-process.ts', import.meta.url), [name, String(seed)], { execArgv: [] });
  child.once('exit', (code) => {
    if (code) console.error(`stress: the server ${name} ended with status ${code}`);
  });
  const [{ baseURL }] = (await once(child, 'message')) as [ServerMessage];
  return { baseURL, close: () => child.disconnect() };
}
