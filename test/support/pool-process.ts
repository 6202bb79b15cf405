import { ExpertPool } from '../../src/main/models/pool/expert-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { testDomain } from './make-planner.ts';
import { ScriptedServer, streamWhole } from './scripted-server.ts';

/**
 * A process that uses a pool in every way, closes it and does nothing more: it must end by itself. Says what still keeps
 * the event loop alive when everything is closed.
 */
const server = await ScriptedServer.start();
server.script = ({ body, response }) => {
  if (JSON.parse(body).model === 'answers') streamWhole(response, '1\nBecause.');
};
const pool = new ExpertPool({
  threads: 2,
  tasksPerThread: 8,
  stuckGraceMs: 100,
  domain: testDomain,
  endpoints: [{ name: 'local', baseURL: server.baseURL }],
  clock: systemClock,
  workerUrl: new URL('./faulty-worker.ts', import.meta.url),
});
await pool.ready();

const controller = new AbortController();
const run = (model: string, timeoutMs: number, signal?: AbortSignal) =>
  pool.run(
    {
      kind: 'expert',
      planId: 1,
      role: 'one',
      model,
      endpoint: 'local',
      situation: { observation: { place: 'cave', health: 50 }, actions: ['attack', 'block'], topValues: [] },
      timeoutMs,
      maxTokens: 64,
      temperature: 0,
      answer: 'text',
      thinks: false,
      stream: true,
    },
    signal,
  );

const cancelled = run('silent', 60_000, controller.signal);
const settled = [run('answers', 10_000), run('silent', 300), run('spin', 300)];
await settled[0];
controller.abort();
await Promise.all([cancelled, ...settled]);
const leftToClose = run('silent', 60_000);
await server.next();
await Promise.all([pool.close(), leftToClose]);
await server[Symbol.asyncDispose]();
const left = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'MessagePort');
process.stdout.write(JSON.stringify({ left }));
