import { parseArgs } from 'node:util';
import { forkRandom } from '../src/shared/random.ts';
import {
  FAULT_CODES,
  FAULT_NAMES,
  type FaultName,
  type FaultShare,
  seededMixture,
} from '../test/faults/fault-server.ts';
import { Lane } from './faults/lane.ts';
import { leaksOf } from './faults/leaks.ts';
import { PlanTally } from './faults/plan-tally.ts';
import { quantile, rounded } from './figures.ts';

/**
 * Whatever a model server does, each plan is legal and on time; afterwards models decide again, and nothing is left
 * behind. Every fault alone, seeded mixtures, cancelled plans, then many plans under changing mixtures.
 */
const TIMEOUT_MS = 200;
const PLANS_IN_FLIGHT = 8;
const SINGLE_PLANS = 40;
const MIXTURE_PLANS = 24;
/** Cancelled while their calls are at the server and unanswered. */
const CANCELLED_UNDER = [
  'accepted-silent',
  'headers-silent',
  'first-chunk-silent',
  'slow-drip',
  'abort-ignored',
] as const;
const CANCEL_AFTER_MS = 40;
/** A mixture after which models decide again only so late is told. */
const SLOW_RECOVERY_MS = 3_000;
/** Of the leak check: mostly faults that end soon, so that many plans pass. */
const LEAK_TIMEOUT_MS = 120;
const LEAK_EPISODE_MS = 500;

const { values: args } = parseArgs({
  options: {
    mixtures: { type: 'string' },
    plans: { type: 'string' },
    seed: { type: 'string', default: '1' },
    scale: { type: 'string', default: '0.01' },
    lanes: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    foresight: { type: 'boolean', default: false },
  },
});
const mixtures = Number(args.mixtures ?? (args.quick ? 12 : 200));
const leakPlans = Number(args.plans ?? (args.quick ? 1_000 : 20_000));
const cancelledPlans = args.quick ? 40 : 200;
const seed = Number(args.seed);
const startedAt = performance.now();

const all = new PlanTally();
/** Without the leak check, which keeps every core busy. */
const underFaults = new PlanTally();
const recoveryMs: number[] = [];
const wrongCodes: string[] = [];

function tell(text: string): void {
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${text}`);
}

const lanes = await Promise.all(
  Array.from({ length: Number(args.lanes) }, (_, index) =>
    Lane.start({
      seed: seed * 100 + index,
      scale: Number(args.scale),
      timeoutMs: TIMEOUT_MS,
      plansInFlight: PLANS_IN_FLIGHT,
      foresight: args.foresight,
    }),
  ),
);

/** Every item is worked on by whichever lane is free. */
async function onLanes<T>(items: readonly T[], work: (lane: Lane, item: T) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      while (next < items.length) await work(lane, items[next++] as T);
    }),
  );
}

type Plans = Awaited<ReturnType<Lane['underFaults']>>;

function count({ during, after }: Plans): void {
  for (const tally of [all, underFaults]) {
    tally.add(during);
    tally.add(after.tally);
  }
  recoveryMs.push(after.afterMs);
}

function show(faults: string, { during, after }: Plans): void {
  const shares = `legal ${percent(during.share('legal'))} on time ${percent(during.share('onTime'))}`;
  const well = `well after ${(after.afterMs / 1000).toFixed(2).padStart(5)} s`;
  tell(`${faults.padEnd(20)} ${shares}, latest ${during.latenessAt(100)} ms, ${well}: ${during.topCodes(3)}`);
}

async function single(lane: Lane, fault: FaultName): Promise<void> {
  const plans = await lane.underFaults(fault, SINGLE_PLANS);
  count(plans);
  show(fault, plans);
  if (!FAULT_CODES[fault].some((code) => plans.during.codes.has(code))) wrongCodes.push(fault);
}

async function mixture(lane: Lane, index: number): Promise<void> {
  const shares = seededMixture(forkRandom(seed, `mixture ${index}`));
  const plans = await lane.underFaults(shares, MIXTURE_PLANS);
  const isRemarkable = plans.during.onTime < plans.during.plans || plans.after.afterMs > SLOW_RECOVERY_MS;
  count(plans);
  if (isRemarkable) show(`mixture ${index} (${text(shares)})`, plans);
  if ((index + 1) % 50 === 0) {
    const onTime = percent(all.share('onTime'));
    tell(
      `${index + 1} of ${mixtures} mixtures, ${all.plans} plans, on time ${onTime}, latest ${all.latenessAt(100)} ms`,
    );
  }
}

async function cancellations(): Promise<{ closedP99Ms: number; closed: number; open: number }> {
  const closedMs: number[] = [];
  let open = 0;
  await onLanes(CANCELLED_UNDER, async (lane, fault) => {
    const seen = await lane.cancellations(fault, cancelledPlans, CANCEL_AFTER_MS);
    for (const ms of seen.closedMs) closedMs.push(ms);
    open += seen.open;
    const p99 = rounded(quantile(seen.closedMs, 0.99));
    tell(`cancelled under ${fault}: ${seen.closedMs.length} calls closed, p99 ${p99} ms; ${seen.open} stayed open`);
  });
  return { closedP99Ms: rounded(quantile(closedMs, 0.99)), closed: closedMs.length, open };
}

/** Faults that end at once make up most of it, and a few that do not end are always there. */
function leakMixture(index: number): FaultShare[] {
  const drawn = seededMixture(forkRandom(seed, `leaks ${index}`));
  return drawn.map(({ fault, share }) => ({ fault, share: fault === 'huge-answer' ? 0.002 : share / 2 }));
}

async function underEpisodes(lane: Lane, count: number, signal: AbortSignal): Promise<PlanTally> {
  const episodes = Array.from({ length: 40 }, (_, index) => ({ forMs: LEAK_EPISODE_MS, faults: leakMixture(index) }));
  await lane.server.play({ episodes });
  const tally = new PlanTally();
  for (let left = count; left > 0; left -= 1_000) {
    tally.add(await lane.plans(Math.min(left, 1_000), { signal, timeoutMs: LEAK_TIMEOUT_MS }));
    const onTime = percent(tally.share('onTime'));
    tell(
      `leak check: ${tally.plans} of ${count} plans of a lane, on time ${onTime}, latest ${tally.latenessAt(100)} ms`,
    );
  }
  await lane.server.heal();
  all.add(tally);
  return tally;
}

function futuresText({ asked, used, tooLate, wrong, running }: (typeof foreseen)[number]): string {
  return `${asked} asked: ${used} used, ${tooLate} too late, ${wrong} wrong; ${running} left running`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function text(shares: readonly FaultShare[]): string {
  return shares.map(({ fault, share }) => `${fault} ${share.toFixed(2)}`).join(', ');
}

for (const lane of lanes) await lane.plans(SINGLE_PLANS);
await onLanes(FAULT_NAMES, single);
await onLanes(
  Array.from({ length: mixtures }, (_, index) => index),
  mixture,
);
const cancelled = await cancellations();
const leaks = await leaksOf(lanes, leakPlans, underEpisodes);
const workers = lanes.map(({ planner }) => planner.stats().workers);
await Promise.all(lanes.map((lane) => lane.close()));
const foreseen = lanes.map(({ planner }) => planner.stats().foresight);

const rows: [string, string | number][] = [
  ['faults alone, mixtures, plans', `${FAULT_NAMES.length}, ${mixtures}, ${all.plans}`],
  ['legal', percent(all.share('legal'))],
  [
    'on time (15 ms)',
    `${percent(all.share('onTime'))}; ${percent(underFaults.share('onTime'))} without the leak check`,
  ],
  ['lateness p50, p99, max', `${all.latenessAt(50)}, ${all.latenessAt(99)}, ${all.latenessAt(100)} ms`],
  ['unsettled, rejected', `${all.unsettled}, ${all.rejected}`],
  ['decided by models', percent(all.share('decided'))],
  [
    'well again p50, p99, max',
    [0.5, 0.99, 1].map((at) => `${(quantile(recoveryMs, at) / 1000).toFixed(2)} s`).join(', '),
  ],
  ['cancel to close p99', `${cancelled.closedP99Ms} ms of ${cancelled.closed}; ${cancelled.open} stayed open`],
  ['threads stuck, crashed', workers.map(({ stuck, crashed }) => `${stuck}, ${crashed}`).join('; ')],
  ...(args.foresight ? [['futures', foreseen.map(futuresText).join('; ')] as [string, string]] : []),
  ['codes', all.topCodes(30)],
  ['faults without their code', wrongCodes.join(', ') || 'none'],
];
for (const [name, value] of rows) console.error(`${name.padEnd(30)} ${value}`);

const unsettled = all.unsettled + all.rejected;
console.log(
  JSON.stringify({
    bench: 'faults',
    mixtures,
    plans: all.plans,
    legal: all.share('legal'),
    onTime: all.share('onTime'),
    unsettled,
    recoverySeconds: rounded(quantile(recoveryMs, 1) / 1000),
    cancelClosedP99Ms: cancelled.closedP99Ms,
    leaks,
    onTimeUnderFaults: underFaults.share('onTime'),
    recoveryP99Seconds: rounded(quantile(recoveryMs, 0.99) / 1000),
    latenessP99Ms: all.latenessAt(99),
    latenessMaxMs: all.latenessAt(100),
    cancelStayedOpen: cancelled.open,
    wrongCodes,
    seed,
  }),
);
const isLeaking = leaks.sockets + leaks.openRequests + leaks.timers + leaks.listeners + leaks.tasksRunning > 0;
if (all.legal < all.plans || unsettled > 0 || isLeaking || cancelled.open > 0) process.exitCode = 1;
