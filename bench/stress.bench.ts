import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createPlanner, type PlannerOptions, skyrim } from '../src/main/index.ts';
import { quantile, rounded } from './figures.ts';
import { writeChart } from './stress/chart.ts';
import { ForcedCollections } from './stress/forced-collection.ts';
import { growthPerMinute } from './stress/growth.ts';
import { measureHonesty } from './stress/honesty.ts';
import { Load } from './stress/load.ts';
import { Outcome } from './stress/outcome.ts';
import { type Sample, Sampler } from './stress/sampler.ts';
import { startServer } from './stress/servers.ts';
import { States } from './stress/states.ts';

/**
 * Sustained mixed load from many agents, on servers that fail: what a planner gives for minutes or hours, and whether it
 * grows. The planner is in this process, with its threads; each server is in one of its own. Before that, in virtual time:
 * whether the cache's checks are made while servers are saturated, and on demand what they cost and how fair they are.
 */
const QUICK_SECONDS = 15;
const TELL_EVERY_SECONDS = 5;
/** What has begun grows at first: the first third of a run says nothing of growth, but no more than this. */
const WARM_UP_SECONDS_MAX = 60;
/** The heap is looked at so many times a run, at most every other second and at least every ten. */
const COLLECTIONS = 24;
const WARNINGS_TOLD = 10;

const { values: args } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    agents: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('out/stress.html', import.meta.url)) },
    /** Comma-separated: load, checks, price, fairness. */
    only: { type: 'string', default: 'load,checks' },
    quick: { type: 'boolean', default: false },
  },
});
const seed = wholeNumber('seed', 0);
const agents = wholeNumber('agents', 1);
const wantedSeconds = args.quick ? QUICK_SECONDS : 60 * Number(args.minutes);
if (!(wantedSeconds > 0)) usage(`--minutes must be a number above 0, got ${args.minutes}`);

function usage(message: string): never {
  console.error(`stress: ${message}`);
  process.exit(2);
}

function wholeNumber(name: 'seed' | 'agents', least: number): number {
  const value = Number(args[name]);
  if (!(Number.isSafeInteger(value) && value >= least)) {
    usage(`--${name} must be a whole number of at least ${least}, got ${args[name]}`);
  }
  return value;
}

/** Half of the experts at the simulated server, one at the fault server, and one wherever it is answered first. */
function plannerOptions(simulated: string, faults: string): PlannerOptions {
  return {
    domain: skyrim,
    endpoints: { simulated: { baseURL: simulated }, faults: { baseURL: faults } },
    experts: [
      { role: 'visual_perception', model: 'qwen/qwen3-4b', endpoint: 'simulated' },
      { role: 'spatial_reasoning', model: 'm', endpoint: 'faults' },
      { role: 'threat_assessment', model: 'microsoft/phi-4-mini-reasoning', endpoint: 'simulated' },
      { role: 'opportunity_detection', model: 'm' },
    ],
    synthesis: {
      models: [
        { model: 'mistralai/mistral-nemo-instruct-2407', endpoint: 'simulated' },
        { model: 'm-a', endpoint: 'faults' },
      ],
    },
    // Fewer than there are states, so that some are forgotten.
    cache: { entries: 500 },
  };
}

const sections = new Set(args.only.split(','));
const honesty = await measureHonesty(sections, seed, args.quick);
if (!sections.has('load')) {
  console.log(JSON.stringify({ bench: 'stress', ...honesty, seed }));
  process.exit(0);
}

const states = new States(seed);
const servers = await Promise.all([startServer('simulated', seed), startServer('faults', seed)]);
const planner = await createPlanner(plannerOptions(servers[0].baseURL, servers[1].baseURL));
const warnings = new Map<string, number>();
planner.on('warning', (message) => {
  const times = (warnings.get(message) ?? 0) + 1;
  warnings.set(message, times);
  if (times === 1 && warnings.size <= WARNINGS_TOLD) console.error(`stress: warning: ${message}`);
});

const collections = new ForcedCollections();
const outcome = new Outcome(collections);
const everySeconds = Math.round(Math.min(10, Math.max(2, wantedSeconds / COLLECTIONS)));
const sampler = new Sampler(outcome, collections, everySeconds);
const load = new Load(planner, states, outcome, { seed, agents });

function tell({ atSeconds, plansPerSecond, ...second }: Sample): void {
  const times = `p50 ${second.p50Ms.toFixed(1)} ms, p99 ${Math.round(second.p99Ms)} ms`;
  const late = `late p99 ${second.latenessP99Ms.toFixed(1)} ms, loop p99 ${second.loopP99Ms.toFixed(1)} ms`;
  const memory = `rss ${Math.round(second.rssMB)} MB, heap ${Math.round(second.heapUsedMB)} MB`;
  console.error(
    `${atSeconds.toFixed(0).padStart(6)} s  ${Math.round(plansPerSecond)} plans/s · ${times} · ${late} · ${memory}`,
  );
}

/** Until the time is over, or somebody interrupts. Resolves with whether that was so. */
function run(): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const ticks = setInterval(() => {
    load.lookForUnsettled();
    const sample = sampler.take(load.inFlight);
    if (sampler.samples.length % TELL_EVERY_SECONDS === 0) tell(sample);
    if (sampler.seconds >= wantedSeconds - 0.5) resolve(false);
  }, 1_000);
  process.on('SIGINT', () => resolve(true));
  process.on('SIGTERM', () => resolve(true));
  sampler.start();
  load.start();
  return promise.finally(() => clearInterval(ticks));
}

console.error(
  `stress: ${agents} agents in ${states.count} states for ${Math.round(wantedSeconds)} s (an interrupt ends it earlier, with the report)`,
);
const cpuBefore = process.cpuUsage();
const isInterrupted = await run();
const seconds = sampler.seconds;
const cpu = process.cpuUsage(cpuBefore);
await load.end();
await planner.close();
const stats = planner.stats();
for (const server of servers) server.close();

const all = outcome.all();
const { samples } = sampler;
const warmUpSeconds = Math.min(WARM_UP_SECONDS_MAX, seconds / 3);
const afterWarmUp = samples.filter(({ atSeconds }) => atSeconds >= warmUpSeconds);

function growth(of: 'rssMB' | 'heapLiveMB'): number {
  const points = afterWarmUp.flatMap(({ atSeconds, [of]: value }) => (value === null ? [] : [{ atSeconds, value }]));
  return rounded(growthPerMinute(points));
}

const result = {
  bench: 'stress',
  minutes: rounded(seconds / 60),
  plans: all.plans,
  plansPerSecond: rounded(all.plans / seconds),
  legal: all.share('legal'),
  onTime: all.share('onTime'),
  p50Ms: outcome.latency.at(50),
  p99Ms: outcome.latency.at(99),
  eventLoopP99Ms: sampler.loopDelayAt(99),
  rssStartMB: samples[0]?.rssMB ?? null,
  rssEndMB: samples.at(-1)?.rssMB ?? null,
  rssGrowthMBPerMinute: growth('rssMB'),
  heapGrowthMBPerMinute: growth('heapLiveMB'),
  unsettled: all.unsettled + all.rejected,
  latenessP99Ms: all.latenessAt(99),
  latenessMaxMs: all.latenessAt(100),
  cancelled: outcome.cancelledPlans,
  interrupted: isInterrupted,
  ...honesty,
  agents,
  seed,
};

function checksText({ due, checked, lost }: { due: number; checked: number; lost: number }): string {
  return `${checked} of ${due} due, ${lost} lost`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

const { calls, plans, endpoints, cache, workers } = stats;
const lives = afterWarmUp.flatMap(({ heapLiveMB }) => (heapLiveMB === null ? [] : [heapLiveMB]));
const rows: [string, string][] = [
  ['plans', `${all.plans} in ${seconds.toFixed(1)} s, ${result.plansPerSecond}/s; ${outcome.cancelledPlans} cancelled`],
  ['legal', percent(result.legal)],
  ['on time (15 ms)', percent(result.onTime)],
  [
    'by deadline',
    outcome
      .byTimeout()
      .map(([ms, tally]) => `${ms} ms ${percent(tally.share('onTime'))}`)
      .join(', '),
  ],
  ['latency p50, p99, max', `${[50, 99, 100].map((at) => rounded(outcome.latency.at(at))).join(', ')} ms`],
  ['lateness p50, p99, max', `${[50, 99, 100].map((at) => rounded(all.latenessAt(at))).join(', ')} ms`],
  ['event loop p50, p99, max', `${[50, 99, 100].map((at) => sampler.loopDelayAt(at)).join(', ')} ms`],
  ['CPU, all threads', `${rounded((cpu.user + cpu.system) / 1000 / all.plans)} ms a plan, load included`],
  ['rss', `${result.rssStartMB} to ${result.rssEndMB} MB, ${result.rssGrowthMBPerMinute} MB a minute`],
  [
    'heap after a collection',
    `median ${rounded(quantile(lives, 0.5))} MB, ${result.heapGrowthMBPerMinute} MB a minute`,
  ],
  ['forced collections', `${collections.count}, pause at most ${rounded(collections.pauseMsMax)} ms`],
  [
    'sources',
    Object.entries(stats.sources)
      .map(([source, count]) => `${source} ${percent(count / plans.settled)}`)
      .join(', '),
  ],
  ['shared, superseded', `${plans.coalesced}, ${plans.superseded}`],
  ['checks', cache === false ? 'off' : checksText(cache.falseHits.all)],
  ['hits', cache === false ? 'off' : `${percent(cache.hitRate)}, ${cache.similarHits} of a similar state`],
  [
    'calls',
    `${calls.made}: ${calls.useful} useful, ${calls.timeouts} timeouts, ${calls.failed} failed, ${calls.cancelled} cancelled; ${calls.retries} retries, ${calls.hedges} hedges`,
  ],
  ...endpoints.map(({ endpoint, slots, slotsKnown, breaker }): [string, string] => [
    `endpoint ${endpoint}`,
    `${slots} slots${slotsKnown ? ', told' : ''}; breaker ${breaker.state}, openings ${breaker.opened}`,
  ]),
  ['codes', all.topCodes(12)],
  ['unsettled, rejected', `${all.unsettled}, ${all.rejected}`],
  ['left behind', `${plans.inFlight} plans, ${calls.running} calls, ${workers.running} tasks`],
  ['warnings', `${[...warnings.values()].reduce((sum, times) => sum + times, 0)}`],
];
for (const [name, value] of rows) console.error(`${name.padEnd(26)} ${value}`);

writeChart(args.out, { samples, warmUpSeconds, title: 'Conclave under sustained load', rows });
console.error(`chart: ${args.out}`);
console.log(JSON.stringify(result));
if (all.legal < all.plans || result.unsettled > 0) process.exitCode = 1;
