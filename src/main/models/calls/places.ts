import type { ModelEndpoint } from '../model-endpoint.ts';
import type { CallKind } from '../time/latency-profile.ts';

/**
 * Where a call may go and when it is expected to be answered there: with the queue, the company and the spread of each place. A
 * place that would answer much later than another one is no room, however idle it is: what is sent there arrives after the others
 * have decided.
 */
export interface CallPlace {
  readonly at: ModelEndpoint;
  /** Until the answer, milliseconds from now. */
  readonly foreseenMs: number;
}

/** A place that takes so much longer than the best one is as good: what is known of times is not exact. */
const AS_GOOD = 1.5;

/** The endpoints in the order in which they are expected to answer. One of which nothing is known is as quick as the quickest. */
export function placesFor(
  endpoints: readonly ModelEndpoint[],
  model: string,
  kind: CallKind,
  rankMs: number,
): readonly CallPlace[] {
  const quickestMs = Math.min(...endpoints.map((at) => at.forecast.meanMs(model, kind, 1) ?? Number.POSITIVE_INFINITY));
  const places = endpoints.map((at) => ({ at, foreseenMs: at.forecast.foreseenMs(model, kind, rankMs, quickestMs) }));
  return places.sort((a, b) => a.foreseenMs - b.foreseenMs);
}

/** Those that are about as good as the best of `all`. Where nothing is known, a place is as good as any. */
export function goodPlaces(places: readonly CallPlace[], all: readonly CallPlace[] = places): readonly CallPlace[] {
  const bestMs = Math.min(...all.map(({ foreseenMs }) => foreseenMs).filter((ms) => ms > 0));
  return places.filter(({ foreseenMs }) => foreseenMs <= AS_GOOD * bestMs);
}
