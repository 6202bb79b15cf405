/**
 * A parent for tests that end it: `spawning-parent.ts BASE_URL` spawns a planner, begins a plan in a silent place, and prints a
 * line of JSON: the child's pid. On SIGINT it closes the planner and prints what the plan came to.
 */
import { spawnPlanner } from '../../src/main/index.ts';
import { request, testDomain } from './make-planner.ts';
import { PLAIN_LADDER } from './plain-ladder.ts';

const planner = await spawnPlanner({
  domain: testDomain,
  endpoints: { local: { baseURL: process.argv[2] as string } },
  experts: [{ role: 'one', model: 'm' }],
  ...PLAIN_LADDER,
  workers: { threads: 1 },
});
const plan = planner.plan(request({ observation: { place: 'silent', health: 1 } }), { timeoutMs: 60_000 });
process.once('SIGINT', async () => {
  await planner.close({ drainMs: 60_000 });
  process.stdout.write(`${JSON.stringify(await plan)}\n`);
});
process.stdout.write(`${JSON.stringify({ pid: planner.pid })}\n`);
