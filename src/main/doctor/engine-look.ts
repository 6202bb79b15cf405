import { type Clock, deadlineSignal } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import { shownURL } from '../../shared/shown-url.ts';
import { databaseOf } from '../cluster/cluster-options.ts';
import { clusterNames } from '../cluster/engine/engine.ts';
import { connectionHint, examineEngine, MovedError, refusalOf } from '../cluster/engine/examine-engine.ts';
import type { FunctionLibrary } from '../cluster/engine/function-library.ts';
import { type EngineLink, openRedisLink } from '../cluster/engine/redis-link.ts';

/** What `doctor` finds out about the engine of a cluster. */
export interface EngineLook {
  /** The address, without secrets. */
  readonly url: string;
  /** Whether nodes could meet there. */
  readonly isFit: boolean;
  /** Why they could not. */
  readonly error?: string;
  readonly version?: string;
  /** What the engine removes when its memory is full. */
  readonly memoryPolicy?: string;
  /** Median of five round trips, in milliseconds. */
  readonly roundTripMs?: number;
  /** Whether the functions are loaded, or could be. */
  readonly hasFunctions?: boolean;
}

/** Time limit of the whole look, in milliseconds. */
const LOOK_MS = 3_000;
const ROUND_TRIPS = 5;
/** A round trip longer than this leaves plans too little time to ask, in milliseconds. */
const ROUND_TRIP_MS_MAX = 5;

/** Connects as a node would, checks, and loads the functions that a node would load. */
export async function lookAtEngine(
  { url, name }: { readonly url: string; readonly name: string },
  library: FunctionLibrary,
  clock: Clock,
): Promise<EngineLook> {
  using limit = deadlineSignal(clock, clock.now() + LOOK_MS, undefined, new Error(`no answer within ${LOOK_MS} ms`));
  const probeKey = clusterNames(name, databaseOf(url)).key('probe', 'doctor');
  const look = async (link: EngineLink): Promise<Partial<EngineLook>> => {
    const { version, memoryPolicy } = await examineEngine(link, library, probeKey);
    const roundTripMs = await roundTripOf(link, clock);
    return { version, ...(memoryPolicy === undefined ? {} : { memoryPolicy }), roundTripMs, hasFunctions: true };
  };
  const shown = shownURL(url);
  try {
    return { url: shown, isFit: true, ...(await lookThere(url, limit.signal, clock, look)) };
  } catch (error) {
    const why = messageOf(error);
    return { url: shown, isFit: false, error: `${why}${connectionHint(url, why)}` };
  }
}

/** Looks at the shard that has the keys, if an engine of several says at which address that is. */
async function lookThere<T>(
  url: string,
  signal: AbortSignal,
  clock: Clock,
  look: (link: EngineLink) => Promise<T>,
  isMoved = false,
): Promise<T> {
  let link: EngineLink | undefined;
  try {
    link = await openRedisLink(url, signal, clock);
    return await look(link);
  } catch (thrown) {
    const error = refusalOf('connecting', thrown);
    if (!(error instanceof MovedError) || isMoved) throw error;
    return await lookThere(error.follow(url), signal, clock, look, true);
  } finally {
    link?.close();
  }
}

async function roundTripOf(link: EngineLink, clock: Clock): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const sentMs = clock.now();
    await link.send(['PING']);
    times.push(clock.now() - sentMs);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)] as number;
}

/** Advice on the engine, one sentence each. */
export function engineAdvice({ url, isFit, error, memoryPolicy, roundTripMs }: EngineLook): string[] {
  if (!isFit) return [`Nodes cannot meet at ${url}: ${error}.`];
  const advice: string[] = [];
  if (memoryPolicy !== undefined && memoryPolicy !== 'noeviction') {
    advice.push(
      `Set maxmemory-policy noeviction at ${url}: with ${memoryPolicy} it may remove leases of slots when its memory is full.`,
    );
  }
  if (roundTripMs !== undefined && roundTripMs > ROUND_TRIP_MS_MAX) {
    advice.push(`A round trip to ${url} takes ${Math.round(roundTripMs)} ms: put the engine nearer to its nodes.`);
  }
  return advice;
}
