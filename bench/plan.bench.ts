import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { median, rounded } from './figures.ts';
import { CONTESTANTS, type ContestantName, type Cost, type Order } from './plan-contestant.ts';
import { MODEL } from './requests.ts';
import type { StartTimes } from './start-probe.ts';
import { type BenchServer, startServer } from './start-server.ts';
import type { ServerMode } from './zero-latency-server.ts';

/**
 * What a plan from models costs: CPU of all threads of the client, four experts and a synthesis, 16 plans in flight, a
 * zero-latency server in another process; and the same plan read from probabilities, the four roles in one request. Every contestant is a process of its own; they take turns, and ratios are taken
 * within a round, so that a disturbance of the machine meets all of them. Then: how long `createPlanner` takes.
 */
const PLANS_IN_FLIGHT = 16;
const CALLS_PER_PLAN = 5;
/** Of one that is read, whatever the number of its roles. */
const READS_PER_PLAN = 1;
/** Not counted, at the start of each turn: caches and connections come back after the others' turns. */
const LEAD_IN_PLANS = 32;
const STARTS = 5;

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    plans: { type: 'string', default: '300' },
    // Until compiled code has settled in every thread: Conclave's three warm up with a part of the calls each.
    'warm-up': { type: 'string', default: '2000' },
    only: { type: 'string', default: CONTESTANTS.join(',') },
    mode: { type: 'string', default: 'answer' },
  },
});
const rounds = Number(args.rounds);
const plans = Number(args.plans);
const names = CONTESTANTS.filter((name) => args.only.split(',').includes(name));

interface Running {
  readonly name: ContestantName;
  readonly child: ChildProcess;
  /** Milliseconds a plan, by round. */
  readonly cpuMs: number[];
  readonly mainCpuMs: number[];
  readonly wallMs: number[];
}

async function startContestant(name: ContestantName, server: BenchServer): Promise<Running> {
  const child = fork(new URL('plan-contestant.ts', import.meta.url), [name, server.baseURL]);
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`the process of ${name} ended with code ${code}`);
  });
  await once(child, 'message');
  return { name, child, cpuMs: [], mainCpuMs: [], wallMs: [] };
}

async function order({ child }: Running, plans: number): Promise<Cost> {
  child.send({ plans, width: PLANS_IN_FLIGHT } satisfies Order);
  return (await once(child, 'message'))[0] as Cost;
}

/** One turn of one contestant. The server's count shows that it made the calls, and no more. */
async function turn(running: Running, server: BenchServer): Promise<Cost> {
  await order(running, LEAD_IN_PLANS);
  const before = await server.calls();
  const cost = await order(running, plans);
  const calls = (await server.calls()) - before;
  const each = running.name === 'conclave-read' ? READS_PER_PLAN : CALLS_PER_PLAN;
  if (calls !== plans * each) throw new Error(`${running.name} made ${calls} calls for ${plans} plans`);
  return cost;
}

async function play(field: readonly Running[], server: BenchServer): Promise<void> {
  for (const running of field) {
    await order(running, Number(args['warm-up']));
    console.error(`${running.name} is warm`);
  }
  for (let round = 0; round < rounds; round++) {
    // Nobody has the same predecessor's heat in every round.
    const first = round % field.length;
    for (const running of [...field.slice(first), ...field.slice(0, first)]) {
      const cost = await turn(running, server);
      running.cpuMs.push(cost.cpuMs / plans);
      running.mainCpuMs.push(cost.mainCpuMs / plans);
      running.wallMs.push(cost.wallMs / plans);
    }
    console.error(`round ${round + 1} of ${rounds} done`);
  }
}

/** Conclave against another, round by round. */
function ratio(conclave: Running | undefined, other: Running | undefined): number | undefined {
  if (conclave === undefined || other === undefined) return undefined;
  return rounded(median(conclave.cpuMs.map((cpuMs, round) => cpuMs / (other.cpuMs[round] as number))));
}

async function measureStart(server: BenchServer): Promise<number> {
  const times: StartTimes[] = [];
  for (let i = 0; i < STARTS; i++) {
    const child = fork(new URL('start-probe.ts', import.meta.url), [server.baseURL], { execArgv: [] });
    times.push((await once(child, 'message'))[0] as StartTimes);
  }
  const importMs = median(times.map((time) => time.importMs));
  const startMs = median(times.map((time) => time.startMs));
  console.error(`start: ${startMs.toFixed(0)} ms after ${importMs.toFixed(0)} ms of loading modules`);
  return rounded(startMs);
}

function report({ name, cpuMs, mainCpuMs, wallMs }: Running): void {
  const spread = `${Math.min(...cpuMs).toFixed(2)} to ${Math.max(...cpuMs).toFixed(2)}`;
  const main = `main thread ${median(mainCpuMs).toFixed(2)}`;
  console.error(
    `${name.padEnd(14)} ${median(cpuMs).toFixed(2)} ms CPU a plan (${spread}; ${main}; wall ${median(wallMs).toFixed(2)})`,
  );
}

const server = await startServer(args.mode as ServerMode, MODEL);
const field = await Promise.all(names.map((name) => startContestant(name, server)));
await play(field, server);
for (const { child } of field) child.disconnect();
field.forEach(report);
const startMs = await measureStart(server);
server.close();

const by = (name: ContestantName): Running | undefined => field.find((running) => running.name === name);
const cpuOf = (running: Running | undefined): number | undefined => running && rounded(median(running.cpuMs));
const openais = [by('openai'), by('openai-stream')].filter((running) => running !== undefined);
// The cheaper way to use the SDK is the yardstick.
const openai = openais.sort((a, b) => median(a.cpuMs) - median(b.cpuMs))[0];
console.log(
  JSON.stringify({
    bench: 'plan',
    cpuVsOpenai: ratio(by('conclave'), openai),
    cpuVsLangGraph: ratio(by('conclave'), by('langgraph')),
    cpuVsOpenaiRead: ratio(by('conclave-read'), openai),
    cpuVsLangGraphRead: ratio(by('conclave-read'), by('langgraph')),
    cpuVsUndici: ratio(by('conclave'), by('undici')),
    startMs,
    conclaveCpuMs: cpuOf(by('conclave')),
    conclaveReadCpuMs: cpuOf(by('conclave-read')),
    openaiCpuMs: cpuOf(by('openai')),
    openaiStreamCpuMs: cpuOf(by('openai-stream')),
    langGraphCpuMs: cpuOf(by('langgraph')),
    undiciCpuMs: cpuOf(by('undici')),
    rounds,
    plans,
  }),
);
