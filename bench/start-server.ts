import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { ServerMessage, ServerMode } from './zero-latency-server.ts';

export interface BenchServer {
  /** As OpenAI clients take it. */
  readonly baseURL: string;
  /** Chat calls received so far. */
  calls(): Promise<number>;
  close(): void;
}

/** Starts zero-latency-server.ts in a process of its own. It ends with this one. */
export async function startServer(mode: ServerMode, model: string): Promise<BenchServer> {
  const child = fork(new URL('zero-latency-server.ts', import.meta.url), [mode, model], { execArgv: [] });
  const heard = async (): Promise<ServerMessage> => (await once(child, 'message'))[0] as ServerMessage;
  const { port } = (await heard()) as { port: number };
  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    calls: async () => {
      child.send('calls');
      return ((await heard()) as { calls: number }).calls;
    },
    close: () => child.disconnect(),
  };
}
