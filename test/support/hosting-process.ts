/**
 * A host that uses a planner elsewhere and then does nothing more: it must end by itself. `hosting-process.ts thread|process
 * closes|idles BASE_URL` prints what still holds the event loop where it closed, and the child's pid where there is one.
 */
import { embedPlanner, type SpawnedPlanner, spawnPlanner } from '../../src/main/index.ts';
import { flush } from './drive.ts';
import { request, testDomain } from './make-planner.ts';
import { PLAIN_LADDER } from './plain-ladder.ts';

const [where, how, baseURL] = process.argv.slice(2) as [string, string, string];
const start = where === 'thread' ? embedPlanner : spawnPlanner;
const planner = await start({
  domain: testDomain,
  endpoints: { local: { baseURL } },
  experts: [{ role: 'one', model: 'm' }],
  ...PLAIN_LADDER,
  workers: { threads: 1 },
});
planner.on('plan', () => {});
planner.on('exit', () => {});
// Alive meanwhile by nothing but the call.
const { action } = await planner.plan(request());
const { pid } = planner as SpawnedPlanner;
if (how === 'closes') await planner.close();
// What was closed in a turn is gone in the next.
await flush();
const held = ['Timeout', 'MessagePort', 'Worker', 'ProcessWrap'];
const left = how === 'closes' ? process.getActiveResourcesInfo().filter((kind) => held.includes(kind)) : [];
process.stdout.write(JSON.stringify({ action, left, pid }));
