import type { Clock } from '../../../shared/clock.ts';
import type { EndpointGate } from './endpoint-gate.ts';
import type { SlotBudget } from './slot-budget.ts';
import type { TakenSlot } from './taken-slot.ts';

/** An endpoint whose slots are shared with other nodes. */
export interface SharedEndpoint {
  readonly gate: EndpointGate;
  /** The number of slots that was learned from times; undefined if it is known. */
  readonly learnedSlots: number | undefined;
  adoptSlots(slots: number): void;
  /** For how many milliseconds it is not called because it has failed; 0 if it is. */
  readonly restMs: number;
  /** Another node does not call the server for this long. */
  doubt(restMs: number): void;
}

export interface LeasedGatesParts {
  readonly clock: Clock;
  /** One endpoint, or all endpoints of one machine. */
  readonly endpoints: readonly [SharedEndpoint, ...SharedEndpoint[]];
  /** How long a call usually takes at most, from its start to the deadline of its plan, in milliseconds. */
  readonly callMs: number;
  /** For how long calls may continue after that deadline, in milliseconds. */
  readonly lateMs: number;
}

/** Memory of the longest call, for each sighting. */
const LONGEST_FADES = 0.999;
/** Calls are believed to end within twice the longest time seen lately once this many sightings have seen some at work. */
const SIGHTINGS_MIN = 100;
/** A busy node reports many times a second. A report is a sighting if the last one was this long ago, in milliseconds: less than between renewals. */
const SIGHTING_MS = 250;
/** Between two reports a call may get this much older unseen, in milliseconds. */
const UNSEEN_MS = 400;

/** The calls of the gates that share one budget, as their leases see them. */
export class LeasedGates {
  readonly #parts: LeasedGatesParts;
  readonly #gates: readonly EndpointGate[];
  readonly #first: EndpointGate;
  /** The longest time from the start of a call to its latest end, lately. */
  #longestMs: number;
  /** The longest time for which a report has seen a call at work, lately. */
  #oldestMs = 0;
  #sightings = 0;
  #sightedMs = Number.NEGATIVE_INFINITY;
  /** The number of slots that the nodes have agreed on. */
  #agreed: number | undefined;

  constructor(parts: LeasedGatesParts) {
    this.#parts = parts;
    this.#longestMs = parts.callMs + parts.lateMs;
    this.#gates = parts.endpoints.map(({ gate }) => gate);
    this.#first = parts.endpoints[0].gate;
  }

  /** From now on the gates start no more calls than `budget` allows. */
  share(budget: SlotBudget): void {
    for (const gate of this.#gates) gate.budget = budget;
  }

  get busy(): number {
    return this.#first.busy;
  }

  get held(): number {
    return this.#sum(({ held }) => held);
  }

  get waiting(): number {
    return this.#sum(({ willing }) => willing);
  }

  get waitingInBackground(): number {
    return this.#sum(({ waitingInBackground }) => waitingInBackground);
  }

  get limit(): number {
    return this.#first.limit;
  }

  /** The learned number of slots; undefined if it is known, or several endpoints share it. */
  get learned(): number | undefined {
    const { endpoints } = this.#parts;
    return endpoints.length > 1 ? undefined : endpoints[0].learnedSlots;
  }

  /** Whether the learned number has changed since the nodes agreed on one. */
  get hasMoved(): boolean {
    return this.#agreed !== undefined && this.learned !== this.#agreed;
  }

  agree(slots: number): void {
    this.#agreed = slots;
    this.#parts.endpoints[0].adoptSlots(slots);
  }

  get restMs(): number {
    return Math.max(...this.#parts.endpoints.map(({ restMs }) => restMs));
  }

  /** If this node falls silent, its calls are counted for so long. Deadlines allow for far more than calls take, so what they took lately counts. */
  get endsMs(): number {
    const { clock, lateMs } = this.#parts;
    const nowMs = clock.now();
    const running = this.#gates.flatMap((gate) => gate.running);
    this.#note(running, nowMs);
    const lastsMs = this.#sightings < SIGHTINGS_MIN ? Number.MAX_SAFE_INTEGER : 2 * (this.#oldestMs + UNSEEN_MS);
    let leftMs = 0;
    for (const { endsAtMs, startedAtMs } of running) {
      leftMs = Math.max(leftMs, Math.min(endsAtMs + lateMs - nowMs, startedAtMs + lastsMs - nowMs));
    }
    return Math.max(leftMs, Math.min(this.#longestMs, lastsMs));
  }

  #note(running: readonly TakenSlot[], nowMs: number): void {
    if (nowMs - this.#sightedMs >= SIGHTING_MS) this.#sighted(running.length > 0, nowMs);
    for (const { endsAtMs, startedAtMs } of running) {
      this.#oldestMs = Math.max(this.#oldestMs, nowMs - startedAtMs);
      if (Number.isFinite(endsAtMs))
        this.#longestMs = Math.max(this.#longestMs, endsAtMs + this.#parts.lateMs - startedAtMs);
    }
  }

  #sighted(isAtWork: boolean, nowMs: number): void {
    this.#sightedMs = nowMs;
    this.#longestMs *= LONGEST_FADES;
    this.#oldestMs *= LONGEST_FADES;
    if (isAtWork) this.#sightings++;
  }

  wake(): void {
    this.#first.wakeAll();
  }

  /** Background work goes first, then what has run for the shortest time. */
  shed(count: number): void {
    const running = this.#gates.flatMap((gate) => gate.running);
    const excess = running.length - count;
    if (excess <= 0) return;
    const order = running
      .filter(({ cut }) => cut !== undefined)
      .sort((a, b) => Number(b.isBackground) - Number(a.isBackground) || b.startedAtMs - a.startedAtMs);
    for (const { cut } of order.slice(0, excess)) cut?.();
  }

  doubt(restMs: number): void {
    for (const endpoint of this.#parts.endpoints) endpoint.doubt(restMs);
  }

  #sum(of: (gate: EndpointGate) => number): number {
    return this.#gates.reduce((sum, gate) => sum + of(gate), 0);
  }
}
