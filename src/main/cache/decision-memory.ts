import type { Decision } from '../../shared/decision.ts';
import type { Placer, StatePoint } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Signature } from '../../shared/signature.ts';
import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { type Lookup, readStoreCounts, type StoreEntry, StoreReader } from '../../shared/store/store-reader.ts';
import type { CacheStats, ResolvedCache } from './cache-options.ts';
import type { DecisionDisk, RestoredDecision } from './disk/decision-disk.ts';
import { SceneOccupancy } from './scene-occupancy.ts';
import { SimilarIndex } from './similar/similar-index.ts';
import { StoreWriter } from './store-writer.ts';

export interface DecisionStats
  extends Pick<CacheStats, 'entries' | 'entriesByScene' | 'evictions' | 'cut' | 'tooLarge' | 'disk'> {
  /** Lookups of all threads, of exactly one state each: served, expired, and without any entry. */
  readonly exactHits: number;
  readonly stale: number;
  readonly misses: number;
}

/** A remembered state near another one. */
export interface NearEntry {
  readonly entry: StoreEntry;
  readonly distance: number;
}

/**
 * Where decisions are kept: in the shared store, of which this is the only writer, among similar states, and on disk. It
 * knows what is fresh; whether that may be served is not its concern.
 */
export class DecisionMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #entriesMax: number;
  readonly #placer: Placer;
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #similar: SimilarIndex | undefined;
  readonly #scenes: SceneOccupancy;
  #disk: DecisionDisk | undefined;
  #isClosed = false;
  #cut = 0;
  #tooLarge = 0;

  constructor({ entries, similar }: Pick<ResolvedCache, 'entries' | 'similar'>, placer: Placer) {
    this.#entriesMax = entries;
    this.#placer = placer;
    this.#scenes = new SceneOccupancy(entries);
    this.#writer = new StoreWriter(entries, (slot) => {
      this.#similar?.remove(slot);
      this.#scenes.remove(slot);
    });
    this.buffer = this.#writer.buffer;
    this.#reader = new StoreReader(this.buffer, { marksTouched: false });
    if (similar !== false) this.#similar = new SimilarIndex(entries, placer.dimensions, placer.softWeights);
  }

  /**
   * Decisions of earlier runs are looked for there too, and new ones are written there. A miss finds them from the first
   * moment; meanwhile those written last are brought into memory, so that similar states find them as well. Resolves
   * when that is done, or the memory is full.
   */
  async useDisk(disk: DecisionDisk): Promise<void> {
    this.#disk = disk;
    for await (const decisions of disk.newest(this.#entriesMax)) {
      for (const restored of decisions) {
        if (this.#isClosed || this.#writer.size >= this.#entriesMax) return;
        if (this.#reader.find(restored.signature) === undefined) this.#restore(restored, true);
      }
    }
  }

  /** Of exactly this state, on disk too. */
  look(signature: Signature, nowMs: number): Lookup {
    const lookup = this.#reader.look(signature, nowMs);
    if (lookup.kind === 'hit' || this.#disk === undefined) return lookup;
    const found = this.#disk.read(signature);
    if (found === undefined) return lookup;
    if (lookup.kind === 'stale') {
      // Another process may have decided since. The same decision again would only begin its life anew.
      const isNewer = found.decision.decidedAtMs > lookup.entry.decision.decidedAtMs;
      if (!isNewer || found.expiresAtMs <= nowMs) return lookup;
    }
    this.#restore(found, false);
    return this.#reader.look(signature, nowMs);
  }

  /** Of exactly this state, without bringing it back from disk. */
  peek(signature: Signature, nowMs: number): Lookup {
    return this.#reader.look(signature, nowMs);
  }

  /**
   * The nearest fresh entry that `accept` takes. The expired ones it met are taken out of the index, so that they do not
   * use up the next search; when they are decided anew, they are put back.
   */
  nearest(
    place: StatePoint,
    distanceMax: number,
    nowMs: number,
    accept: (entry: StoreEntry) => boolean,
  ): NearEntry | undefined {
    const index = this.#similar;
    if (index === undefined) return undefined;
    const expired: SlotIndex[] = [];
    const nearest = index.nearest(place, distanceMax, (slot) => {
      const entry = this.#reader.entryAt(slot);
      if (entry === undefined) return false;
      if (entry.expiresAtMs > nowMs) return accept(entry);
      expired.push(slot);
      return false;
    });
    for (const slot of expired) index.remove(slot);
    const entry = nearest && this.#reader.entryAt(nearest.slot);
    return nearest && entry && { entry, distance: nearest.distance };
  }

  /** An entry was of use: it is the last to go. */
  touch(slot: SlotIndex): void {
    this.#writer.touch(slot);
  }

  /** An entry of exactly this state served a request of this scene: of those from disk it was not known. */
  noteScene(slot: SlotIndex, scene: string): void {
    this.#scenes.learn(slot, scene);
  }

  /** What came of looking for exactly this state, in the counts that all threads share. */
  count(outcome: Lookup['kind']): void {
    this.#reader.count(outcome);
  }

  remember(request: PlanRequest, signature: Signature, scene: string, decision: Decision, expiresAtMs: number): void {
    const place = this.#similar || this.#disk ? this.#placer.place(request.observation, request.actions) : undefined;
    const outcome = this.#writer.write(signature, decision, expiresAtMs);
    if (outcome.kind === 'too-large') {
      this.#tooLarge++;
      return;
    }
    if (outcome.cut) this.#cut++;
    this.#scenes.set(outcome.slot, scene);
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    this.#disk?.write(signature, place, decision, expiresAtMs);
  }

  /** The decision of an entry is another one from now on, until the entry expires. Not on disk. */
  amend(signature: Signature, decision: Decision, expiresAtMs: number): void {
    this.#writer.write(signature, decision, expiresAtMs);
  }

  clear(): void {
    // The index first: the writer tells it of every slot that it empties.
    this.#similar?.clear();
    this.#writer.clear();
    this.#disk?.clear();
  }

  /** Ends the writing to disk. What was remembered is there when this resolves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#disk?.close();
  }

  stats(): DecisionStats {
    const { hits: exactHits, stale, misses } = readStoreCounts(this.buffer);
    return {
      exactHits,
      stale,
      misses,
      entries: this.#writer.size,
      entriesByScene: this.#scenes.stats(),
      evictions: this.#writer.evictions,
      cut: this.#cut,
      tooLarge: this.#tooLarge,
      disk: this.#disk?.stats() ?? false,
    };
  }

  /** Puts a decision of an earlier run back, as the one used last, or as the first to go. */
  #restore({ signature, place, decision, expiresAtMs }: RestoredDecision, isCold: boolean): void {
    const outcome = this.#writer.write(signature, decision, expiresAtMs);
    if (outcome.kind !== 'stored') return;
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    if (isCold) this.#writer.demote(outcome.slot);
  }
}
