import type { Clock } from '../../src/shared/clock.ts';
import { PlannerError } from '../../src/shared/errors.ts';
import {
  type ResolvedSimulatorOptions,
  resolveSimulatorOptions,
  type SimulatorOptions,
} from '../../src/workers/simulator/options.ts';
import { VirtualClient, VirtualServer } from '../../test/sim/virtual-server.ts';
import { MODEL_ID, PolicyDesk, type ReadKind } from './policy.ts';
import type { World } from './world.ts';

/**
 * How long calls take. `independent`: each as long as alone, whatever else is at work. `compute`: each further call slows the
 * others, and reading a prompt costs, less where its beginning has just been read.
 */
export const LATENCIES = ['independent', 'compute'] as const;
export type Latency = (typeof LATENCIES)[number];

/** Of a call that has the machine to itself, the mean, virtual milliseconds. */
export const LATENCY_MS = 2_000;
export const SLOTS = 4;

const SIGMA = 0.3;
/** Times have medians, and the mean of a lognormal is higher. */
const MEDIAN_SECONDS = LATENCY_MS / 1_000 / Math.exp(SIGMA ** 2 / 2);
/**
 * Of a call's time, what goes to writing. On real machines it is more; here little, so that what a planner may gain by a choice
 * that is written before its reason does not decide the contest.
 */
const WRITING_SHARE = 0.25;
const PIECES = 6;

const COMMON = { slots: SLOTS, latencySigma: SIGMA, abortSeconds: 0.04 } as const;

const MACHINES: Readonly<Record<Latency, SimulatorOptions>> = {
  independent: {
    ...COMMON,
    slotSlowdown: 0,
    overheadSeconds: MEDIAN_SECONDS * (1 - WRITING_SHARE),
    promptTokensPerSecond: 1e9,
    models: [{ id: MODEL_ID, tokensPerSecond: PIECES / (MEDIAN_SECONDS * WRITING_SHARE) }],
  },
  compute: {
    ...COMMON,
    slotSlowdown: 0.6,
    overheadSeconds: 0.52,
    promptTokensPerSecond: 200,
    models: [{ id: MODEL_ID, tokensPerSecond: PIECES / 0.9 }],
  },
};

/** The machine of a latency, so many times faster than life. */
export function machineOptions(latency: Latency, speed: number): ResolvedSimulatorOptions {
  return resolveSimulatorOptions({ ...MACHINES[latency], speed });
}

export interface ServerKind {
  readonly latency: Latency;
  /** Absent where the server only writes. */
  readonly reads?: ReadKind;
}

export function openModelServer(
  world: World,
  { latency, reads }: ServerKind,
  seed: number,
  clock: Clock,
): VirtualServer {
  const options: SimulatorOptions = { ...MACHINES[latency], reads: reads === undefined ? 'none' : ['systemone'] };
  return new VirtualServer(options, clock, new PolicyDesk(world, seed, reads));
}

/** Tells its slots as llama.cpp does. */
export class ArenaClient extends VirtualClient {
  getJson(path: string): Promise<unknown> {
    if (path === '/v1/models') return Promise.resolve({ data: [{ id: MODEL_ID }] });
    if (path === '/props') return Promise.resolve({ total_slots: SLOTS });
    return Promise.reject(new PlannerError('ERR_MODEL_STATUS', `404 ${path}`));
  }
}
