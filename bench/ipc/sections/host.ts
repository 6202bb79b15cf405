import { fork } from 'node:child_process';
import { once } from 'node:events';
import { MODEL } from '../../requests.ts';
import { startServer } from '../../start-server.ts';
import type { Say } from '../../store/rounds.ts';
import type { HostJob } from '../host-process.ts';
import type { Figures, Settings } from '../settings.ts';

/** A host process with an embedded planner; the model server is a process of its own. */
export async function run(settings: Settings, say: Say): Promise<Figures> {
  say(`host: 2,000 plans a second for ${settings.seconds} s from a thread beside the host, one in twenty of them new`);
  const model = await startServer('answer', MODEL);
  try {
    const child = fork(new URL('../host-process.ts', import.meta.url), { execArgv: process.execArgv });
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the host ended with ${signal ?? `code ${code}`}`);
    });
    child.send({ settings, modelURL: model.baseURL } satisfies HostJob);
    const [figures] = (await Promise.race([once(child, 'message'), ended])) as [Figures];
    ended.catch(() => {});
    return figures;
  } finally {
    model.close();
  }
}
