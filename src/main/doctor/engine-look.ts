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
  const shown = shownURL(url);
  using limit = deadlineSignal(clock, clock.now() + LOOK_MS, undefined, new Error(`no answer within ${LOOK_MS} ms`));
  let link: EngineLink | undefined;
  try {
    link = await openRedisLink(url, limit.signal);
    const facts = await examineEngine(link, library, clusterNames(name, databaseOf(url)).key('probe', 'doctor'));
    const { version, memoryPolicy } = facts;
    const roundTripMs = await roundTripOf(link, clock);
    const known = memoryPolicy === undefined ? {} : { memoryPolicy };
    return { url: shown, isFit: true, version, ...known, roundTripMs, hasFunctions: true };
  } catch (thrown) {
    const error = refusalOf('connecting', thrown);
    if (error instanceof MovedError) return { url: shown, isFit: true };
    const why = messageOf(error);
    return { url: shown, isFit: false, error: `${why}${connectionHint(url, why)}` };
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
