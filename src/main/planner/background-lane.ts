import type { Decision } from '../../shared/decision.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { type Signature, signatureText } from '../../shared/signature.ts';
import type { Hit } from '../cache/look.ts';
import { Flight } from './flight.ts';
import type { FlightParts } from './flight-parts.ts';

/**
 * Asks models again about answers that were served from the cache: to see whether they were right, or because they
 * expire soon. It delays nobody: a flight starts only while every endpoint has a slot that nobody waits for, takes its
 * slots behind everyone, and is cancelled as soon as somebody has to wait. One flight begins in a turn of the event
 * loop, so that the next one finds its slots taken: several would begin where there is room for one, and be cancelled
 * together. Bounded: of more work than `QUEUE_MAX` the oldest is dropped and counted.
 */
const QUEUE_MAX = 64;
const FLIGHTS_MAX = 4;
/** Further hits of a state that wait for the answer to the first one; more are dropped and counted. */
const OTHERS_MAX = 64;

export interface BackgroundStats {
  readonly queued: number;
  readonly running: number;
  /** Ended with a decision of the models. */
  readonly done: number;
  /** Ended without one: the models failed. */
  readonly failed: number;
  /** Given up because somebody had to wait for a slot, or because the planner closed. */
  readonly cancelled: number;
  /** Not begun: there was more to do than is kept waiting. */
  readonly dropped: number;
}

export interface Errand {
  readonly request: PlanRequest;
  readonly signature: Signature;
  readonly hit: Hit;
}

/** `others` are hits of the same state for which one answer is enough; each counts as a sample of its own. */
export type DecidedAgain = (errand: Errand, decision: Decision, others: readonly Hit[]) => void;

/** An errand that waits or runs. */
interface Job {
  readonly errand: Errand;
  readonly others: Hit[];
}

export class BackgroundLane {
  readonly #parts: FlightParts;
  readonly #onDecided: DecidedAgain;
  readonly #warn: (message: string) => void;
  /** By state: models are asked once, however many hits of it there are. */
  readonly #queue = new Map<string, Job>();
  readonly #running = new Map<string, Job & { readonly flight: Flight }>();
  /** Of every flight that has not ended, also of those that are cancelled. */
  readonly #ends = new Set<Promise<void>>();
  readonly #counts = { done: 0, failed: 0, cancelled: 0, dropped: 0 };
  #nextId = -1;
  #isWaking = false;
  #isClosed = false;

  constructor(parts: FlightParts, onDecided: DecidedAgain, warn: (message: string) => void) {
    this.#parts = parts;
    this.#onDecided = onDecided;
    this.#warn = warn;
  }

  /** Takes an errand, and begins it as soon as there is room. The request and the signature must not change later. */
  add(errand: Errand): void {
    const key = signatureText(errand.signature);
    if (this.#isClosed) return;
    const known = this.#queue.get(key) ?? this.#running.get(key);
    if (known !== undefined) {
      if (known.others.length < OTHERS_MAX) known.others.push(errand.hit);
      else this.#counts.dropped++;
      return;
    }
    this.#queue.set(key, { errand, others: [] });
    if (this.#queue.size > QUEUE_MAX) {
      const [oldest, job] = this.#queue.entries().next().value as [string, Job];
      this.#queue.delete(oldest);
      this.#counts.dropped += 1 + job.others.length;
    }
    this.wake();
  }

  /** There may be room now. Called whenever a plan has settled. */
  wake(): void {
    if (this.#queue.size === 0 || this.#isWaking) return;
    if (this.#running.size >= FLIGHTS_MAX || !this.#hasRoom()) return;
    const [key, job] = this.#queue.entries().next().value as [string, Job];
    this.#queue.delete(key);
    this.#begin(key, job);
    this.#wakeNextTurn();
  }

  /**
   * A slot has become idle. Whoever gave it back may be a plan that takes one again at once, for its synthesis, so that it
   * is looked at only when that has been done.
   */
  wakeSoon(): void {
    if (this.#queue.size > 0 && !this.#isWaking) this.#wakeNextTurn();
  }

  #wakeNextTurn(): void {
    this.#isWaking = true;
    this.#parts.clock.nextTurn(() => {
      this.#isWaking = false;
      this.wake();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#counts.dropped += this.#queue.size;
    this.#queue.clear();
    this.makeRoom();
    await Promise.all(this.#ends);
  }

  stats(): BackgroundStats {
    return { queued: this.#queue.size, running: this.#running.size, ...this.#counts };
  }

  #hasRoom(): boolean {
    for (const { gate } of this.#parts.endpoints.values()) if (!gate.isIdle) return false;
    return true;
  }

  #begin(key: string, job: Job): void {
    const { clock, options } = this.#parts;
    const deadlineMs = clock.now() + options.timeoutMs;
    const flight = new Flight(this.#parts, this.#nextId--, job.errand.request, deadlineMs, {
      lane: 'background',
    });
    this.#running.set(key, { ...job, flight });
    const end = this.#fly(key, flight, job).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  async #fly(key: string, flight: Flight, { errand, others }: Job): Promise<void> {
    try {
      await flight.run();
      // Votes of a flight that was cut short are no second opinion.
      if (this.#running.get(key)?.flight !== flight) this.#counts.cancelled++;
      else if (flight.decision === undefined) this.#counts.failed++;
      else {
        this.#onDecided(errand, flight.decision, others);
        this.#counts.done++;
      }
    } catch (error) {
      this.#counts.failed++;
      this.#warn(`asking models again failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    } finally {
      if (this.#running.get(key)?.flight === flight) this.#running.delete(key);
      this.wake();
    }
  }

  /** Somebody has to wait for a slot: all that runs is given up. */
  makeRoom(): void {
    for (const [key, { flight }] of [...this.#running]) {
      this.#running.delete(key);
      flight.cancel();
    }
  }
}
