/** A model server in a process of its own; ends with its parent. */
import { forkRandom } from '../../src/shared/random.ts';
import type { SimulatedModelOptions, SimulatorRates } from '../../src/workers/simulator/options.ts';
import { startSimulator } from '../../src/workers/simulator/start.ts';
import { type FaultEpisode, seededMixture, startFaultServer } from '../../test/faults/fault-server.ts';

export const SERVER_NAMES = ['simulated', 'faults'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export interface ServerMessage {
  readonly baseURL: string;
}

/** About 1 % of what the simulated server does is wrong by default; here it is about a fifth. */
const RATES: SimulatorRates = {
  illegal: 0.05,
  ambiguous: 0.02,
  empty: 0.02,
  rambling: 0.02,
  oddFormat: 0.15,
  think: 0.1,
  runaway: 0.01,
  http500: 0.03,
  reset: 0.02,
  hang: 0.005,
  errorEvent: 0.02,
  cut: 0.02,
};

/** `m` is served by both servers, so that its calls are balanced. */
const MODELS: readonly SimulatedModelOptions[] = [
  { id: 'qwen/qwen3-4b', skill: 0.74 },
  { id: 'microsoft/phi-4-mini-reasoning', skill: 0.78 },
  { id: 'mistralai/mistral-nemo-instruct-2407', skill: 0.82, tokensPerSecond: 28 },
  { id: 'm', skill: 0.72 },
];
const SPEED = 20;

const EPISODES = 40;
const EPISODE_MS = 3_000;
/** Every third episode is well. */
const WELL_EVERY = 3;
/** Answers without end: a few of them are enough. */
const HUGE_SHARE = 0.002;
const HUGE_BYTES = 8_000_000;
/** A load of 60 s takes 3 s, as at the simulated server. */
const SCALE = 1 / SPEED;

function episode(seed: number, index: number): FaultEpisode {
  if (index % WELL_EVERY === 0) return { forMs: EPISODE_MS, faults: [] };
  const faults = seededMixture(forkRandom(seed, `episode ${index}`))
    // The planner's clock is the machine's here.
    .filter(({ fault }) => fault !== 'clock-jump')
    .map(({ fault, share }) => ({ fault, share: fault === 'huge-answer' ? HUGE_SHARE : share }));
  return { forMs: EPISODE_MS, faults };
}

async function startFaults(seed: number): Promise<string> {
  const server = await startFaultServer({ seed, scale: SCALE, hugeBytes: HUGE_BYTES });
  await server.play({ episodes: Array.from({ length: EPISODES }, (_, index) => episode(seed, index)) });
  return server.baseURL;
}

async function start(name: ServerName, seed: number): Promise<string> {
  switch (name) {
    case 'simulated':
      return (await startSimulator({ seed, speed: SPEED, slots: 4, models: MODELS, rates: RATES })).baseURL;
    case 'faults':
      return startFaults(seed);
    default:
      return name satisfies never;
  }
}

// An interrupt of the terminal reaches every process: the parent ends with a report, and this one with the parent.
process.on('SIGINT', () => {});
process.once('disconnect', () => process.exit());
const [name, seed] = process.argv.slice(2);
const baseURL = await start(name as ServerName, Number(seed));
process.send?.({ baseURL } satisfies ServerMessage);
