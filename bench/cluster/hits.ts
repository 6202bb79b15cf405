import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createPlanner, type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { startRedis } from '../../test/support/redis-server.ts';
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

export interface HitFigures {
  /** Speed of hits in a cluster over that of hits alone: the median of the pairs. */
  readonly ratio: number;
  /** The same by the time that this thread was at work, which other load on the machine does not change much. */
  readonly ratioAtWork: number;
  /** Decisions a second that the others wrote, and in how many messages they came, and how many of them were taken over. */
  readonly writesPerSecond: number;
  readonly messagesPerSecond: number;
  readonly takenPerSecond: number;
  readonly hitUs: number;
}

type Planner = Awaited<ReturnType<typeof createPlanner>>;

/**
 * Hits of a planner in a cluster, while other nodes write decisions, against those of one alone: in turns in one process. While the lone
 * one has its turn, the others write to another cluster: the machine has as much to do, and this process applies nothing.
 */
export async function hitsAgainstAlone(
  cacheIs: keyof typeof ENTRIES,
  writesPerSecond: number,
  rounds: number,
): Promise<HitFigures> {
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
  await using alone = await createPlanner(options());
  await using joined = await createPlanner(options({ url: redis.url }));
  const { domain: _, ...written } = options({ url: redis.url });
  await using writer = await Writer.open(written, NODES);
  const filled = cacheIs === 'full' ? ENTRIES.full : STATES;
  for (let index = filled - 1; index >= 0; index--) {
    for (const planner of [alone, joined]) await remember(planner, index);
  }
  const times = new Map<Planner, HitTime[]>([
    [alone, []],
    [joined, []],
  ]);
  const others = { sent: 0, batches: 0, taken: 0, ms: 0 };
  for (let round = -WARM_ROUNDS; round < rounds; round++) {
    for (const planner of round % 2 === 0 ? [joined, alone] : [alone, joined]) {
      await writer.tell({ kind: 'write', perSecond: writesPerSecond, toOthers: planner === alone });
      await after(20);
      // What came late, on a machine without a core to spare, may have pushed some out.
      for (let index = 0; index < STATES; index++) await remember(planner, index);
      const before = planner === joined && { ...(await writer.counts()), taken: takenBy(joined) };
      const time = await timeOfHits(planner);
      if (round < 0) continue;
      (times.get(planner) as HitTime[]).push(time);
      if (!before) continue;
      const { sent, batches } = await writer.counts();
      others.sent += sent - before.sent;
      others.batches += batches - before.batches;
      others.taken += takenBy(joined) - before.taken;
      others.ms += time.ms;
    }
  }
  server.close();
  const [ofAlone, ofJoined] = [times.get(alone), times.get(joined)] as [HitTime[], HitTime[]];
  const perSecond = (count: number): number => (count / others.ms) * 1_000;
  const ratioOf = (of: keyof HitTime): number =>
    median(ofAlone.map((time, round) => time[of] / (ofJoined[round] as HitTime)[of]));
  return {
    ratio: ratioOf('ms'),
    ratioAtWork: ratioOf('atWorkMs'),
    writesPerSecond: perSecond(others.sent),
    messagesPerSecond: perSecond(others.batches),
    takenPerSecond: perSecond(others.taken),
    hitUs: (median(ofAlone.map(({ atWorkMs }) => atWorkMs)) / HITS) * 1_000,
  };
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
