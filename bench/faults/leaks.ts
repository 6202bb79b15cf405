import { getEventListeners } from 'node:events';
import { collectGarbage } from '../collect-garbage.ts';
import { rounded } from '../figures.ts';
import type { Lane } from './lane.ts';
import type { PlanTally } from './plan-tally.ts';

/** What is left of many plans when all is quiet. */
export interface Leaks {
  /** Connections that the servers see open when no call runs and idle ones have had their time. */
  readonly sockets: number;
  readonly openRequests: number;
  /** Timers of this process beyond those before. */
  readonly timers: number;
  /** Listeners on the one signal that all plans were given, and warnings of Node about too many. */
  readonly listeners: number;
  readonly plansInFlight: number;
  readonly tasksRunning: number;
  /** Heap of this thread after a collection, end less a tenth of the way, MB. */
  readonly heapGrowthMb: number;
  /** The whole process, threads included, MB. Noisy. */
  readonly rssGrowthMb: number;
}

/** Idle connections are kept for 4 s, and late work may go on for 10. */
const QUIET_MS_MAX = 15_000;
const WARM_SHARE = 0.1;

function timersNow(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

function memoryMb(): { heap: number; rss: number } {
  collectGarbage();
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / 1e6, rss: rss / 1e6 };
}

interface Quiet {
  readonly sockets: number;
  readonly openRequests: number;
  readonly timers: number;
}

/** Waits until nothing is open beyond `timersBefore`, or until idle connections have had their time. */
async function untilQuiet(lanes: readonly Lane[], timersBefore: number): Promise<Quiet> {
  for (let waitedMs = 0; ; waitedMs += 100) {
    const stats = await Promise.all(lanes.map(({ server }) => server.stats()));
    const sockets = stats.reduce((sum, { openSockets }) => sum + openSockets, 0);
    const openRequests = stats.reduce((sum, stat) => sum + stat.openRequests, 0);
    const timers = Math.max(0, timersNow() - timersBefore);
    if (sockets + timers === 0 || waitedMs >= QUIET_MS_MAX) return { sockets, openRequests, timers };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs plans on all lanes, under what their servers play, and looks at what stays behind. */
export async function leaksOf(
  lanes: readonly Lane[],
  plans: number,
  run: (lane: Lane, count: number, signal: AbortSignal) => Promise<PlanTally>,
): Promise<Leaks> {
  let warnings = 0;
  const onWarning = ({ name }: Error): void => {
    if (name === 'MaxListenersExceededWarning') warnings++;
  };
  process.on('warning', onWarning);
  const { signal } = new AbortController();
  const timersBefore = timersNow();
  const part = (share: number): Promise<unknown> =>
    Promise.all(lanes.map((lane) => run(lane, Math.ceil((plans * share) / lanes.length), signal)));
  await part(WARM_SHARE);
  await untilQuiet(lanes, timersBefore);
  const warm = memoryMb();
  await part(1 - WARM_SHARE);
  const quiet = await untilQuiet(lanes, timersBefore);
  const end = memoryMb();
  process.off('warning', onWarning);
  const stats = lanes.map(({ planner }) => planner.stats());
  return {
    ...quiet,
    listeners: getEventListeners(signal, 'abort').length + warnings,
    plansInFlight: stats.reduce((sum, { plans: { inFlight } }) => sum + inFlight, 0),
    tasksRunning: stats.reduce((sum, { workers }) => sum + workers.running, 0),
    heapGrowthMb: rounded(end.heap - warm.heap),
    rssGrowthMb: rounded(end.rss - warm.rss),
  };
}
