import { parseArgs } from 'node:util';
import { createPlanner, type Plan, type Planner, skyrim } from '../src/main/index.ts';
import { quantile, rounded } from './figures.ts';
import { MODEL, requestOf } from './requests.ts';
import { startServer } from './start-server.ts';

/**
 * Many plans in flight that share one deadline, each in a state of its own, at a server that answers at once. Lateness is stamped at
 * each settlement. `--of` is the number in flight that the others are compared with. What models decide of few, they decide before the
 * deadline is near; of many, as many as this machine makes calls for until then. So it is the decisions a second that compare.
 */
const LATE_MS = 15;
const UNDECIDED: ReadonlySet<string> = new Set(['heuristic', 'stale']);

const { values: args } = parseArgs({
  options: {
    plans: { type: 'string', default: '20000' },
    of: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '0' },
    server: { type: 'string', default: 'answer' },
  },
});

interface Crowd {
  readonly plans: number;
  readonly lateShare: number;
  readonly latenessP99Ms: number;
  readonly latenessMaxMs: number;
  readonly earliestMs: number;
  readonly decided: number;
  readonly decidedShare: number;
  /** Until the last one was decided. */
  readonly decidedASecond: number;
  readonly callsADecision: number;
  readonly cpuMsAPlan: number;
}

async function crowd(plans: number, timeoutMs: number): Promise<Crowd> {
  const server = await startServer(args.server as 'answer', MODEL);
  const planner: Planner = await createPlanner({
    domain: skyrim,
    endpoints: { bench: { baseURL: server.baseURL } },
    experts: skyrim.roles.map(({ name }) => ({ role: name, model: MODEL })),
    synthesis: { models: [MODEL] },
    maxInFlight: plans,
  });
  const latenessMs: number[] = [];
  let decided = 0;
  let lastAt = 0;
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const deadlineAt = startedAt + timeoutMs;
  const waits: Promise<unknown>[] = [];
  const settled = ({ source }: Plan): void => {
    latenessMs.push(performance.now() - deadlineAt);
    if (UNDECIDED.has(source)) return;
    decided++;
    lastAt = performance.now();
  };
  for (let index = 0; index < plans; index++) {
    const leftMs = Math.floor(deadlineAt - performance.now());
    const plan = planner.plan({ ...requestOf(index), agent: `agent ${index}` }, { timeoutMs: leftMs });
    waits.push(plan.then(settled));
    // As requests come: some in each turn of the event loop.
    if (index % 50 === 49) await new Promise(setImmediate);
  }
  console.error(`${plans} in flight after ${Math.round(timeoutMs - (deadlineAt - performance.now()))} ms`);
  await Promise.all(waits);
  const { user, system } = process.cpuUsage(cpu);
  await planner.close();
  const calls = await server.calls();
  server.close();
  return {
    plans,
    lateShare: rounded(latenessMs.filter((ms) => ms > LATE_MS).length / plans),
    latenessP99Ms: rounded(quantile(latenessMs, 0.99)),
    latenessMaxMs: rounded(quantile(latenessMs, 1)),
    earliestMs: rounded(quantile(latenessMs, 0)),
    decided,
    decidedShare: rounded(decided / plans),
    decidedASecond: rounded((1_000 * decided) / (lastAt - startedAt)),
    callsADecision: rounded(calls / decided),
    cpuMsAPlan: rounded((user + system) / 1_000 / plans),
  };
}

const few = Number(args.of);
const many = Number(args.plans);
const timeoutMs = Number(args.seconds) * 1_000 || 10_000;
const base = few > 0 ? await crowd(few, timeoutMs) : undefined;
const crowded = await crowd(many, timeoutMs);
console.log(JSON.stringify({ bench: 'crowd', timeoutMs, few: base, many: crowded }));
