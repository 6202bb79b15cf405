import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { mean, standardError } from '../arena/statistics.ts';
import { median } from '../figures.ts';
import { requestOf } from '../requests.ts';
import { startServer } from '../start-server.ts';
import { after } from './fleet.ts';
import type { WriterCommand, WriterCounts } from './paced-writer.ts';

/** States that are asked for. */
const STATES = 500;
/** The default of the cache, and one that does not fill. More memory is slower by itself: both sides have as much. */
const ENTRIES = { full: 2_000, filling: 200_000 } as const;
/** In rounds of some 200 ms, so that what arrives at their borders is of no weight. */
const HITS = 60_000;
const NODES = 4;
const WARM_ROUNDS = 4;
const ROUNDS = 8;

export interface HitFigures {
  /** Speed of hits in a cluster over that of hits alone: the median of the pairs of an opening, and the mean of the openings. */
  readonly ratio: number;
  /** The same by the time that this thread was at work, which other load on the machine does not change much. */
  readonly ratioAtWork: number;
  /** That of `ratioAtWork`, between the openings. */
  readonly standardError: number;
  /** Decisions a second that the others wrote, and in how many messages they came, and how many of them were taken over. */
  readonly writesPerSecond: number;
  readonly messagesPerSecond: number;
  readonly takenPerSecond: number;
  readonly hitUs: number;
}

type Planner = Awaited<ReturnType<typeof createPlanner>>;

/**
 * Hits of a planner in a cluster, while other nodes write decisions, against those of one alone: in turns in one process. While the lone
 * one has its turn, the others write to another cluster: the machine has as much to do, and this process applies nothing. Two planners
 * of one process differ by some hundredths as long as they live, by where their memory lies: so both are opened again and again, now
 * this one first and now that one.
 */
export async function hitsAgainstAlone(
  cacheIs: keyof typeof ENTRIES,
  writesPerSecond: number,
  openings: number,
): Promise<HitFigures> {
  const played: Opening[] = [];
  for (let nth = 0; nth < openings; nth++) played.push(await opening(cacheIs, writesPerSecond, nth % 2 === 0));
  const of = (key: keyof Others): number => played.reduce((sum, { others }) => sum + others[key], 0);
  const perSecond = (key: keyof Others): number => (of(key) / of('ms')) * 1_000;
  const atWork = played.map((each) => ratioOf(each, 'atWorkMs'));
  return {
    ratio: mean(played.map((each) => ratioOf(each, 'ms'))),
    ratioAtWork: mean(atWork),
    standardError: standardError(atWork),
    writesPerSecond: perSecond('sent'),
    messagesPerSecond: perSecond('batches'),
    takenPerSecond: perSecond('taken'),
    hitUs: (median(played.flatMap(({ alone }) => alone.map(({ atWorkMs }) => atWorkMs))) / HITS) * 1_000,
  };
}

/** What the other nodes did while the planner in the cluster had its turns. */
interface Others {
  sent: number;
  batches: number;
  taken: number;
  ms: number;
}

interface Opening {
  readonly alone: HitTime[];
  readonly joined: HitTime[];
  readonly others: Others;
}

/** The median of the pairs. */
function ratioOf({ alone, joined }: Opening, key: keyof HitTime): number {
  return median(alone.map((time, round) => time[key] / (joined[round] as HitTime)[key]));
}

async function opening(
  cacheIs: keyof typeof ENTRIES,
  writesPerSecond: number,
  isAloneFirst: boolean,
): Promise<Opening> {
  await using redis = await startRedis();
  const server = await startServer('answer', 'm');
  const options = (cluster?: { readonly url: string }): PlannerOptions =>
    ({
      domain: skyrim,
      endpoints: { gpu: { baseURL: server.baseURL, slots: 64 } },
      experts: [{ role: 'visual_perception', model: 'm' }],
      answers: 'write',
      // The same agents ask the same for ever.
      cache: {
        entries: ENTRIES[cacheIs],
        checkShare: 0,
        refreshAhead: false,
        similar: false,
        loopGuard: false,
        cycleGuard: false,
        ttl: 'fixed',
        ttlMs: 3_600_000,
        valuesMin: false,
      },
      ...(cluster && { cluster }),
    }) as PlannerOptions;
  const inCluster = options({ url: redis.url });
  await using first = await createPlanner(isAloneFirst ? options() : inCluster);
  await using second = await createPlanner(isAloneFirst ? inCluster : options());
  const [alone, joined] = isAloneFirst ? [first, second] : [second, first];
  const { domain: _, ...written } = inCluster;
  await using writer = await Writer.open(written, NODES);
  const filled = cacheIs === 'full' ? ENTRIES.full : STATES;
  for (let index = filled - 1; index >= 0; index--) {
    for (const planner of [first, second]) await remember(planner, index);
  }
  const others: Others = { sent: 0, batches: 0, taken: 0, ms: 0 };
  const times: Record<'alone' | 'joined', HitTime[]> = { alone: [], joined: [] };
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    for (const planner of round % 2 === 0 ? [joined, alone] : [alone, joined]) {
      await writer.tell({ kind: 'write', perSecond: writesPerSecond, toOthers: planner === alone });
      await after(20);
      // What came late, on a machine without a core to spare, may have pushed some out.
      for (let index = 0; index < STATES; index++) await remember(planner, index);
      const before = planner === joined && { ...(await writer.counts()), taken: takenBy(joined) };
      const time = await timeOfHits(planner);
      if (round < 0) continue;
      times[planner === joined ? 'joined' : 'alone'].push(time);
      if (!before) continue;
      const { sent, batches } = await writer.counts();
      others.sent += sent - before.sent;
      others.batches += batches - before.batches;
      others.taken += takenBy(joined) - before.taken;
      others.ms += time.ms;
    }
  }
  server.close();
  return { ...times, others };
}

/** Again, if no model was in time: on a machine that others use too. */
async function remember(planner: Planner, index: number): Promise<void> {
  const request = requestOf(index) as never;
  while (planner.peek(request) === undefined) await planner.plan(request, { timeoutMs: 5_000 });
}

function takenBy(planner: Planner): number {
  return planner.stats().cluster?.shared[0]?.log.received ?? 0;
}

interface HitTime {
  readonly ms: number;
  readonly atWorkMs: number;
}

async function timeOfHits(planner: Planner): Promise<HitTime> {
  const startMs = performance.now();
  const before = process.threadCpuUsage();
  for (let hit = 0; hit < HITS; hit++) {
    const plan = planner.planNow(requestOf(hit % STATES) as never);
    if (plan instanceof Promise) throw new Error(`a hit was expected, got ${JSON.stringify(await plan)}`);
    // Messages of the other nodes arrive between hits.
    if (hit % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = process.threadCpuUsage(before);
  return { ms: performance.now() - startMs, atWorkMs: (user + system) / 1_000 };
}

/** Several writing nodes in one process of their own. */
class Writer implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(options: Omit<PlannerOptions, 'domain'>, nodes: number): Promise<Writer> {
    const child = fork(new URL('paced-writer.ts', import.meta.url), [], { execArgv: [] });
    child.setMaxListeners(0);
    const writer = new Writer(child);
    await writer.tell({ kind: 'open', options, nodes });
    return writer;
  }

  async tell(command: WriterCommand): Promise<unknown> {
    const answer = once(this.#child, 'message');
    this.#child.send(command);
    return (await answer)[0];
  }

  async counts(): Promise<WriterCounts> {
    return (await this.tell({ kind: 'count' })) as WriterCounts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}
