/**
 * A parent for tests that end it: `spawning-parent.ts BASE_URL [AGENT]` spawns a planner, begins a plan in a silent place, and
 * prints a line of JSON: the child's pid. The agent may name a fault of `faulty-peer.ts`. On SIGINT it closes the planner and prints what the plan came to.
 */
import { spawnPlanner } from '../../src/main/service/entries/spawn-planner.ts';
import { request, testDomain } from './make-planner.ts';
import { PLAIN_LADDER } from './plain-ladder.ts';

const [baseURL, agent] = process.argv.slice(2) as [string, string | undefined];
const options = {
  domain: testDomain,
  endpoints: { local: { baseURL: baseURL } },
  experts: [{ role: 'one', model: 'm' }],
  ...PLAIN_LADDER,
  workers: { threads: 1 },
};
const faulty = { entryUrl: new URL('./faulty-planner-process.ts', import.meta.url) };
const planner = await spawnPlanner(options, {}, agent === undefined ? {} : faulty);
const asked = request({ observation: { place: 'silent', health: 1 }, ...(agent === undefined ? {} : { agent }) });
const plan = planner.plan(asked, { timeoutMs: 60_000 });
process.once('SIGINT', async () => {
  await planner.close({ drainMs: 60_000 });
  process.stdout.write(`${JSON.stringify(await plan)}\n`);
});
process.stdout.write(`${JSON.stringify({ pid: planner.pid })}\n`);
