import type { Clock } from '../../../shared/clock.ts';
import type { EndpointGate } from '../slots/endpoint-gate.ts';
import type { AttemptEnd } from './attempt-log.ts';

/** The calls that hold all slots of an endpoint, when none of them has had a token. */
export interface Silence {
  readonly calls: number;
  /** Time since the first of them started, in milliseconds. */
  readonly oldestMs: number;
}

/** Running calls, by endpoint. */
export type RunningCalls = Map<string, Set<AttemptEnd>>;

/** How often the state of running calls is read again. */
const LOOK_AGAIN_MS = 50;

/** Which endpoints are silent. Read at intervals only, because thousands of plans that waited for the same slots may settle at one moment. */
export class Silences {
  readonly #clock: Clock;
  readonly #running: RunningCalls;
  readonly #seen = new Map<string, { readonly atMs: number; readonly silence: Silence | undefined }>();

  constructor(clock: Clock, running: RunningCalls) {
    this.#clock = clock;
    this.#running = running;
  }

  runningAt(endpoint: string): Set<AttemptEnd> {
    const known = this.#running.get(endpoint) ?? new Set();
    this.#running.set(endpoint, known);
    return known;
  }

  at(endpoint: string, gate: EndpointGate): Silence | undefined {
    const nowMs = this.#clock.now();
    const seen = this.#seen.get(endpoint);
    if (seen !== undefined && nowMs - seen.atMs < LOOK_AGAIN_MS) return seen.silence;
    const silence = silenceOf(this.runningAt(endpoint), gate, nowMs);
    this.#seen.set(endpoint, { atMs: nowMs, silence });
    return silence;
  }
}

function silenceOf(running: ReadonlySet<AttemptEnd>, gate: EndpointGate, nowMs: number): Silence | undefined {
  if (running.size === 0 || running.size + gate.held < gate.ownBusy) return undefined;
  let oldestMs = 0;
  for (const call of running) {
    if (!call.isSilent) return undefined;
    oldestMs = Math.max(oldestMs, call.calledMs(nowMs));
  }
  return { calls: running.size, oldestMs };
}
