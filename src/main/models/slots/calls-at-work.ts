import type { Clock } from '../../../shared/clock.ts';
import type { CallKind } from '../time/latency-profile.ts';
import type { Profiles } from '../time/profiles.ts';
import type { Ask, Slot, SlotNeed } from './ask.ts';
import type { EndpointGate } from './endpoint-gate.ts';
import { callToGiveUp, companyToGiveUp, leftMs, type RoomQuestion, type Work } from './room.ts';

export interface CallsAtWorkParts {
  readonly clock: Clock;
  readonly gate: EndpointGate;
  readonly profiles: Profiles;
  /** How long the server probably continues to work on a call that is given up, in milliseconds. */
  readonly holdMs: (work: Work) => number;
}

/** The running calls of plans at one endpoint: how long a new call waits behind them, and which of them give way to it. */
export class CallsAtWork {
  readonly #parts: CallsAtWorkParts;
  readonly #works = new Set<Work>();
  /** Number of background calls given up so that a call with a deadline could have their slot. */
  givenUp = 0;

  constructor(parts: CallsAtWorkParts) {
    this.#parts = parts;
  }

  get #gate(): EndpointGate {
    return this.#parts.gate;
  }

  get isNone(): boolean {
    return this.#works.size === 0;
  }

  /** Adds a running call; the returned function removes it. */
  add(model: string, kind: CallKind, slot: Slot, giveUp: () => void): () => void {
    const work: Work = { model, kind, startedAtMs: this.#parts.clock.now(), slot, giveUp, isGivenUp: false };
    this.#works.add(work);
    return () => void this.#works.delete(work);
  }

  /** The ages of the running calls of a model, in milliseconds. */
  agesMs(model: string, kind: CallKind): number[] {
    const nowMs = this.#parts.clock.now();
    const agesMs: number[] = [];
    for (const work of this.#works) {
      if (work.model === model && work.kind === kind) agesMs.push(nowMs - work.startedAtMs);
    }
    return agesMs;
  }

  /**
   * Estimated time until a call has its turn, by the remaining times of the running calls. Assumes that background work makes
   * room, although it does so only if that helps the new call.
   */
  waitMs(rankMs: number, workMs: number): number {
    const gate = this.#gate;
    const ahead = gate.ahead(rankMs);
    if (ahead < gate.free + gate.inBackground) return 0;
    const question = this.#question(0);
    const { slots: width } = question;
    const lefts = question.works
      .filter(({ slot }) => !slot.isBackground)
      .map((work) => leftMs(work, question))
      .map((ms) => (ms === Number.POSITIVE_INFINITY ? workMs : ms))
      .concat(gate.heldLeftMs)
      .sort((a, b) => a - b);
    // More calls are running than are now allowed: the first to end free no slot.
    lefts.splice(0, Math.max(0, lefts.length - width));
    const free = Math.max(0, gate.free + gate.inBackground);
    const taken = Math.max(0, width - lefts.length - free);
    // Unknown calls are assumed to end one after the other.
    for (let nth = 1; nth <= taken; nth++) lefts.push((workMs * nth) / taken);
    while (lefts.length < width) lefts.push(0);
    lefts.sort((a, b) => a - b);
    return (lefts[ahead % width] as number) + Math.floor(ahead / width) * workMs;
  }

  /** A call that a plan waits for has started: background work gives way if it would slow that call too much. */
  begun(need: SlotNeed): void {
    if (this.#gate.ownInBackground === 0) return;
    for (;;) {
      const work = companyToGiveUp({ ...this.#question(0), need });
      if (work === undefined) return;
      this.#giveUp(work);
    }
  }

  /** A call has to wait for a slot: background work gives way if that helps. Returns whether room is made. */
  makeRoom({ need, rankMs = Number.POSITIVE_INFINITY }: Ask): boolean {
    if (this.#gate.ownInBackground === 0) return false;
    // The new call itself is in the queue.
    const ahead = Math.max(0, this.#gate.ahead(rankMs) - 1);
    const work = callToGiveUp({ ...this.#question(ahead), need });
    if (work !== undefined) this.#giveUp(work);
    return work !== undefined;
  }

  #question(ahead: number): Omit<RoomQuestion, 'need'> {
    const { clock, gate, profiles, holdMs } = this.#parts;
    return {
      ahead,
      slots: gate.width,
      waiting: gate.waiting,
      nowMs: clock.now(),
      works: [...this.#works],
      strangers: Math.max(0, gate.busy - this.#works.size),
      profileOf: (model, kind) => profiles.of(model, kind),
      holdMs,
    };
  }

  #giveUp(work: Work): void {
    work.isGivenUp = true;
    this.givenUp++;
    work.giveUp();
  }
}
