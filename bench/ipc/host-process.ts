/** A host with an embedded planner, in a process of its own: how its event loop feels, and what a peek costs it. */
import { Worker } from 'node:worker_threads';
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { type EmbeddedPlanner, embedPlanner } from '../../src/main/index.ts';
import type { Decision } from '../../src/shared/decision.ts';
import { inFlight, rounded } from '../figures.ts';
import { playRounds, ratioFigure, type Say, sayTimes, speedRatios, type Times } from '../store/rounds.ts';
import { LoopDelay } from '../stress/loop-delay.ts';
import type { Answers } from './answering-thread.ts';
import type { Figures, Settings } from './settings.ts';
import { cachedRequest, plannerOptions, STATES } from './states.ts';

export interface HostJob {
  readonly settings: Settings;
  readonly modelURL: string;
}

const PLANS_PER_SECOND = 2_000;
/** Every so manyth plan is in a state that nobody has seen: models are asked. */
const NEW_EVERY = 20;
/** Two experts at once for each of a hundred new states a second. */
const TICK_MS = 1;
const IN_FLIGHT = 64;

async function keepsPace(planner: EmbeddedPlanner, seconds: number, say: Say): Promise<Figures> {
  const delay = new LoopDelay();
  const counts = { asked: 0, settled: 0, hits: 0, failed: 0 };
  const startedAtMs = performance.now();
  const plans: Promise<void>[] = [];
  const plan = async (index: number): Promise<void> => {
    const isNew = index % NEW_EVERY === 0;
    try {
      const { source } = await planner.plan(cachedRequest(isNew ? STATES + index : index % STATES));
      counts.settled++;
      if (source === 'cache') counts.hits++;
    } catch {
      counts.failed++;
    }
  };
  delay.begin();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const passedMs = performance.now() - startedAtMs;
      const due = Math.floor((Math.min(passedMs, seconds * 1_000) * PLANS_PER_SECOND) / 1_000);
      while (counts.asked < due) plans.push(plan(counts.asked++));
      if (passedMs < seconds * 1_000) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  delay.end();
  await Promise.all(plans);
  const perSecond = counts.settled / seconds;
  say(
    `  ${counts.settled} plans in ${seconds} s, ${Math.round((100 * counts.hits) / counts.settled)} % from the cache, ${counts.failed} failed`,
  );
  say(`  event-loop delay of the host: p50 ${delay.allAt(50)}, p99 ${delay.allAt(99)}, most ${delay.allAt(100)} ms`);
  return {
    hostDelayP99Ms: rounded(delay.allAt(99)),
    hostPlansPerSecond: Math.round(perSecond),
    hostFailed: counts.failed,
  };
}

/** Against the better use of comlink: many calls in flight, to a thread that does nothing else. */
async function peeks(planner: EmbeddedPlanner, { quick, rounds }: Settings, say: Say): Promise<Figures> {
  const thread = new Worker(new URL('answering-thread.ts', import.meta.url));
  const peer: Remote<Answers> = wrap<Answers>(nodeEndpoint(thread));
  const requests = Array.from({ length: STATES }, (_, index) => cachedRequest(index));
  const peekCount = quick ? 5_000 : 100_000;
  const callCount = quick ? 200 : 4_000;
  const peekAll = (): number => {
    let chars = 0;
    for (let i = 0; i < peekCount; i++) {
      const decision = planner.peek(requests[i % STATES] as (typeof requests)[number]);
      if (decision === undefined) throw new Error('a state was not in the cache');
      chars += decision.action.length;
    }
    return chars;
  };
  const callAll = (width: number) => async (): Promise<number> => {
    let chars = 0;
    await inFlight(callCount, width, async (index) => {
      chars += ((await peer.answer(index)) as Decision).action.length;
    });
    return chars;
  };
  const times = await playRounds(
    [
      { name: 'peek in the host', operations: peekCount, turn: peekAll },
      { name: 'comlink, one call at a time', operations: callCount, turn: callAll(1) },
      { name: `comlink, ${IN_FLIGHT} calls in flight`, operations: callCount, turn: callAll(IN_FLIGHT) },
    ],
    rounds,
    quick ? 1 : 3,
    say,
  );
  await thread.terminate();
  sayTimes(say, times);
  const [peek, alone, many] = times as [Times, Times, Times];
  const againstAlone = ratioFigure(say, `speed of peek / ${alone.name}`, speedRatios(peek, alone));
  const againstMany = ratioFigure(say, `speed of peek / ${many.name}`, speedRatios(peek, many));
  return { peekVsComlink: Math.min(againstAlone, againstMany), peekVsComlinkAlone: againstAlone };
}

async function host({ settings, modelURL }: HostJob): Promise<Figures> {
  const say: Say = settings.json ? () => {} : (line) => console.error(line);
  await using planner = await embedPlanner(plannerOptions(modelURL));
  for (let index = 0; index < STATES; index++) await planner.plan(cachedRequest(index));
  // The first seconds compile.
  await keepsPace(planner, settings.quick ? 1 : 3, say);
  const pace = await keepsPace(planner, settings.seconds, say);
  return { ...pace, ...(await peeks(planner, settings, say)) };
}

process.once('message', async (job: HostJob) => {
  const figures = await host(job);
  process.send?.(figures, () => process.exit());
});
