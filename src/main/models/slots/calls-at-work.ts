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
  /** How long the server is thought to work on a call that is given up, milliseconds. */
  readonly holdMs: (work: Work) => number;
}

/** The calls of plans at work at one endpoint: how long a newcomer waits behind them, and which of them give way to it. */
export class CallsAtWork {
  readonly #parts: CallsAtWorkParts;
  readonly #works = new Set<Work>();
  /** Calls that nobody waited for, given up for somebody who could make a deadline with their slots. */
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

  /** A call is at work from now until the result is called. */
  add(model: string, kind: CallKind, slot: Slot, giveUp: () => void): () => void {
    const work: Work = { model, kind, startedAtMs: this.#parts.clock.now(), slot, giveUp, isGivenUp: false };
    this.#works.add(work);
    return () => void this.#works.delete(work);
  }

  /** The ages of the calls of a model, milliseconds. */
  agesMs(model: string, kind: CallKind): number[] {
    const nowMs = this.#parts.clock.now();
    const agesMs: number[] = [];
    for (const work of this.#works) {
      if (work.model === model && work.kind === kind) agesMs.push(nowMs - work.startedAtMs);
    }
    return agesMs;
  }

  /**
   * Until it is the turn of a call, by what is left of those at work. An estimate: background work is taken to make room, though it
   * does so only where that helps the newcomer.
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
    // More are at work than may be by now: the first to end make room for nobody.
    lefts.splice(0, Math.max(0, lefts.length - width));
    const free = Math.max(0, gate.free + gate.inBackground);
    const taken = Math.max(0, width - lefts.length - free);
    // Calls of which nothing is known here end one after the other.
    for (let nth = 1; nth <= taken; nth++) lefts.push((workMs * nth) / taken);
    while (lefts.length < width) lefts.push(0);
    lefts.sort((a, b) => a - b);
    return (lefts[ahead % width] as number) + Math.floor(ahead / width) * workMs;
  }

  /** A call that somebody waits for has begun: work that nobody waits for gives way, where it would slow that one too much. */
  begun(need: SlotNeed): void {
    if (this.#gate.ownInBackground === 0) return;
    for (;;) {
      const work = companyToGiveUp({ ...this.#question(0), need });
      if (work === undefined) return;
      this.#giveUp(work);
    }
  }

  /** Somebody has to wait for a slot: work that nobody waits for gives way, where that helps. */
  makeRoom({ need, rankMs = Number.POSITIVE_INFINITY }: Ask): boolean {
    if (this.#gate.ownInBackground === 0) return false;
    // The newcomer itself stands in the queue.
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
