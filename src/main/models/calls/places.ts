import type { ModelEndpoint } from '../model-endpoint.ts';
import type { CallKind } from '../time/latency-profile.ts';

/**
 * Where a call may go, and when an answer is expected there, given the queue, the company and the spread of each place. A place
 * that would answer much later than another has no room, however idle it is: calls sent there arrive after the others have
 * decided.
 */
export interface CallPlace {
  readonly at: ModelEndpoint;
  /** Expected time until the answer, in milliseconds from now. */
  readonly foreseenMs: number;
}

/** A place that takes up to this many times as long as the best is as good, because times are known only roughly. */
const AS_GOOD = 1.5;

/** The endpoints in the order in which they are expected to answer. An unknown endpoint counts as quick as the quickest. */
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

/** The places that are about as good as the best of `all`. A place with unknown times is as good as any. */
export function goodPlaces(places: readonly CallPlace[], all: readonly CallPlace[] = places): readonly CallPlace[] {
  const bestMs = Math.min(...all.map(({ foreseenMs }) => foreseenMs).filter((ms) => ms > 0));
  return places.filter(({ foreseenMs }) => foreseenMs <= AS_GOOD * bestMs);
}
