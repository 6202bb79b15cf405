import { parseArgs } from 'node:util';
import { createPlanner } from '../src/main/index.ts';
import { plannerOptions } from './contestants/conclave.ts';
import { inFlight, quantile, rounded } from './figures.ts';
import { MODEL, requestOf } from './requests.ts';
import { startServer } from './start-server.ts';

/**
 * On time whatever the server does: it reads every call and never answers. 1,000 plans in states of their own, 100 in
 * flight, from a cold start. Lateness is measured here, from the call of `plan` to its settlement, less the timeout.
 */
const PLANS_IN_FLIGHT = 100;
const TIMEOUT_MS = 200;
/** A plan that has not settled so long after its deadline counts as unsettled. */
const PATIENCE_MS = 5_000;

const { values: args } = parseArgs({ options: { plans: { type: 'string', default: '1000' } } });
const plans = Number(args.plans);

const latenessMs: number[] = [];
const plannerLatenessMs: number[] = [];
const attemptCodes = new Map<string, number>();
let unsettled = 0;
let rejected = 0;
let illegal = 0;

const server = await startServer('silent', MODEL);
const planner = await createPlanner(plannerOptions(server.baseURL));

function count(code: string): void {
  attemptCodes.set(code, (attemptCodes.get(code) ?? 0) + 1);
}

async function measure(index: number): Promise<void> {
  const request = requestOf(index);
  const calledAt = performance.now();
  const patience = Promise.withResolvers<undefined>();
  const timer = setTimeout(patience.resolve, TIMEOUT_MS + PATIENCE_MS, undefined);
  try {
    const plan = await Promise.race([planner.plan(request, { timeoutMs: TIMEOUT_MS }), patience.promise]);
    if (plan === undefined) {
      unsettled++;
      return;
    }
    latenessMs.push(performance.now() - calledAt - TIMEOUT_MS);
    plannerLatenessMs.push(plan.latenessMs);
    if (!request.actions.includes(plan.action)) illegal++;
    for (const { code } of plan.attempts) count(code);
  } catch (error) {
    rejected++;
    console.error('a plan was rejected:', error);
  } finally {
    clearTimeout(timer);
  }
}

const cpu = process.cpuUsage();
await inFlight(plans, PLANS_IN_FLIGHT, measure);
const used = process.cpuUsage(cpu);
const stats = planner.stats();
await planner.close();
server.close();

const at = (values: readonly number[], share: number): number => rounded(quantile(values, share));
const late = latenessMs.map((ms) => Math.max(0, ms));
console.error(`settled ${at(latenessMs, 0)} ms (first), ${at(latenessMs, 0.5)} ms (median) after the deadline`);
console.error('attempts:', Object.fromEntries(attemptCodes), 'workers:', stats.workers);
console.log(
  JSON.stringify({
    bench: 'deadline',
    latenessP99Ms: at(late, 0.99),
    unsettled: unsettled + rejected,
    illegal,
    latenessP50Ms: at(late, 0.5),
    latenessMaxMs: at(late, 1),
    plannerLatenessP99Ms: at(plannerLatenessMs, 0.99),
    plannerLatenessMaxMs: at(plannerLatenessMs, 1),
    cpuMs: rounded((used.user + used.system) / 1000 / plans),
    plans,
  }),
);
if (unsettled + rejected + illegal > 0) process.exitCode = 1;
