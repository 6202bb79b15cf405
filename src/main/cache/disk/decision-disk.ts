import { type Clock, stampNow, stampOffsetMs } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { StatePoint } from '../../../shared/place.ts';
import { SIGNATURE_WORDS, type Signature } from '../../../shared/signature.ts';
import { decodeRecord, encodeRecord } from './decision-record.ts';
import type { DiskTier, DiskTierStats } from './disk-tier.ts';
import type { DiskRecord } from './record-frame.ts';

export interface RestoredDecision {
  readonly signature: Signature;
  readonly place: StatePoint | undefined;
  readonly decision: Decision;
  /** Time of the process clock, in milliseconds. */
  readonly expiresAtMs: number;
}

/** Reads and writes decisions on disk: encodes them here, and stores them in `DiskTier`. */
export class DecisionDisk {
  readonly #tier: DiskTier;
  readonly #clock: Clock;
  /** Upper bound of freshness, in case a clock was set back. */
  readonly #ttlMaxMs: number;
  /** Greatest difference seen between the two clocks, so that setting the wall clock back makes nothing fresh again. */
  #wallOffsetMs = Number.NEGATIVE_INFINITY;

  constructor(tier: DiskTier, clock: Clock, ttlMaxMs: number) {
    this.#tier = tier;
    this.#clock = clock;
    this.#ttlMaxMs = ttlMaxMs;
  }

  write(signature: Signature, place: StatePoint | undefined, decision: Decision, expiresAtMs: number): void {
    const record = encodeRecord(place, this.#byWallClock(decision));
    this.#tier.put(keyOf(signature), record, expiresAtMs + this.#wallOffset());
  }

  read(signature: Signature): RestoredDecision | undefined {
    const record = this.#tier.get(keyOf(signature));
    return record === undefined ? undefined : this.#restored(record);
  }

  /** Yields the newest decisions first, a few milliseconds of work at a time. */
  async *newest(decisionsMax: number): AsyncGenerator<readonly RestoredDecision[], void, undefined> {
    for await (const records of this.#tier.newestInChunks(decisionsMax)) {
      yield records.flatMap((record) => this.#restored(record) ?? []);
    }
  }

  clear(): void {
    void this.#tier.clear();
  }

  close(): Promise<void> {
    return this.#tier.close();
  }

  stats(): DiskTierStats {
    return this.#tier.stats();
  }

  #restored({ key, value, expiresAtWallMs }: DiskRecord): RestoredDecision | undefined {
    const decoded = decodeRecord(value);
    if (decoded === undefined) return undefined;
    const wallOffsetMs = this.#wallOffset();
    const nowMs = this.#clock.now();
    const { decidedAtMs } = decoded.decision;
    // A time in the future means that the wall clock was set back since: the age is unknown.
    const isOfUnknownAge = decidedAtMs > nowMs + wallOffsetMs;
    // A wall clock that was ahead may have written the expiry, so freshness is limited to the longest TTL.
    const ageMs = Math.max(0, this.#clock.wallNow() - decidedAtMs);
    const leftMaxMs = isOfUnknownAge ? 0 : this.#ttlMaxMs - ageMs;
    const signature = new Int32Array(SIGNATURE_WORDS);
    new Uint8Array(signature.buffer).set(key);
    return {
      signature,
      place: decoded.place,
      decision: { ...decoded.decision, decidedAtMs: stampNow(this.#clock) - ageMs },
      expiresAtMs: Math.min(expiresAtWallMs - wallOffsetMs, nowMs + leftMaxMs),
    };
  }

  /** Converts the time of a decision to the wall clock, keeping its age: the steady clock of another process starts elsewhere. */
  #byWallClock(decision: Decision): Decision {
    const movedMs = this.#clock.wallNow() - this.#clock.now() - stampOffsetMs(this.#clock);
    return { ...decision, decidedAtMs: decision.decidedAtMs + movedMs };
  }

  #wallOffset(): number {
    this.#wallOffsetMs = Math.max(this.#wallOffsetMs, this.#clock.wallNow() - this.#clock.now());
    return this.#wallOffsetMs;
  }
}

function keyOf(signature: Signature): Uint8Array {
  return new Uint8Array(signature.slice().buffer);
}
