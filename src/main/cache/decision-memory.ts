import type { Decision } from '../../shared/decision.ts';
import type { Placer, StatePoint } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Signature } from '../../shared/signature.ts';
import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { type Lookup, readStoreCounts, type StoreEntry, StoreReader } from '../../shared/store/store-reader.ts';
import type { AdoptedDecision } from './adopted-decision.ts';
import type { CacheStats, ResolvedCache } from './cache-options.ts';
import type { DecisionJournal } from './decision-journal.ts';
import { DecisionStore } from './decision-store.ts';
import type { DecisionDisk, RestoredDecision } from './disk/decision-disk.ts';
import { SceneOccupancy } from './scene-occupancy.ts';
import { SimilarIndex } from './similar/similar-index.ts';
import type { StoreWriter, WriteOutcome } from './store-writer.ts';

export interface DecisionStats
  extends Pick<CacheStats, 'entries' | 'entriesByScene' | 'evictions' | 'cut' | 'tooLarge' | 'disk'> {
  /** Lookups for the same state: served, expired, and without an entry. By all threads, or by the planner in a shared store. */
  readonly exactHits: number;
  readonly stale: number;
  readonly misses: number;
}

/** More than the clocks of decisions in a log and on disk can differ, in milliseconds. */
const CLEARLY_LATER_MS = 1_000;

/** A remembered state near another state. */
export interface NearEntry {
  readonly entry: StoreEntry;
  readonly distance: number;
}

/**
 * Keeps the decisions of one domain in the shared store (as its only writer, with those of other domains), in the index of similar
 * states, and on disk. It knows what is fresh; whether that may be served is decided elsewhere.
 */
export class DecisionMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #store: DecisionStore;
  readonly #placer: Placer;
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #similar: SimilarIndex | undefined;
  readonly #scenes: SceneOccupancy;
  /** In a shared store, a 1 for each slot that holds a decision of this domain; else empty. */
  readonly #own: Uint8Array;
  readonly #looked: Record<Lookup['kind'], number> = { hit: 0, stale: 0, miss: 0 };
  #entries = 0;
  #evictions = 0;
  #disk: DecisionDisk | undefined;
  /** Undefined if no other node follows. */
  journal: DecisionJournal | undefined;
  #isClosed = false;
  #clears = 0;
  #cut = 0;
  #tooLarge = 0;

  constructor(
    { entries, similar }: Pick<ResolvedCache, 'entries' | 'similar'>,
    placer: Placer,
    store = new DecisionStore(entries),
  ) {
    this.#store = store;
    this.#placer = placer;
    this.#scenes = new SceneOccupancy(entries);
    this.#own = new Uint8Array(store.isShared ? entries : 0);
    this.#writer = store.writer;
    store.join({ retired: (slot) => this.#retired(slot), cleared: () => this.#cleared() });
    this.buffer = this.#writer.buffer;
    this.#reader = new StoreReader(this.buffer, { marksTouched: false });
    if (similar !== false) this.#similar = new SimilarIndex(entries, placer.dimensions, placer.softWeights);
  }

  /**
   * Connects the disk tier. From then on, misses are looked up there and new decisions are written there. The newest decisions
   * are loaded into memory, so that they also serve similar states. Resolves when they are loaded, the memory is full, or
   * everything was cleared: what was read before that is not restored.
   */
  async useDisk(disk: DecisionDisk): Promise<void> {
    this.#disk = disk;
    const clears = this.#clears;
    const { restoredMax } = this.#store;
    for await (const decisions of disk.newest(restoredMax)) {
      for (const restored of decisions) {
        if (this.#isClosed || this.#clears !== clears || this.#size >= restoredMax) return;
        if (this.#reader.find(restored.signature) === undefined) this.#restore(restored, true);
      }
    }
  }

  /** Looks up the same state only, in memory and on disk. */
  look(signature: Signature, nowMs: number): Lookup {
    const lookup = this.#reader.look(signature, nowMs);
    if (lookup.kind === 'hit' || this.#disk === undefined) return lookup;
    const found = this.#disk.read(signature);
    if (found === undefined) return lookup;
    if (lookup.kind === 'stale') {
      // Another process may have decided since. Restoring the same decision again would restart its lifetime.
      const isNewer = found.decision.decidedAtMs > lookup.entry.decision.decidedAtMs;
      if (!isNewer || found.expiresAtMs <= nowMs) return lookup;
    }
    this.#restore(found, false);
    return this.#reader.look(signature, nowMs);
  }

  /** Looks up the same state only, in memory alone. */
  peek(signature: Signature, nowMs: number): Lookup {
    return this.#reader.look(signature, nowMs);
  }

  /**
   * Returns the nearest fresh entry that `accept` takes. Expired entries that it meets are removed from the index so that they
   * do not slow down the next search; a new decision puts them back.
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

  /** Marks an entry as just used, so that it is evicted last. */
  touch(slot: SlotIndex): void {
    this.#writer.touch(slot);
  }

  /** Records the scene in which an entry served. The scene of an entry from disk is unknown until then. */
  noteScene(slot: SlotIndex, scene: string): void {
    this.#scenes.learn(slot, scene);
  }

  /** Counts the outcome of a lookup of the same state, in the counters that all threads share. */
  count(outcome: Lookup['kind']): void {
    this.#reader.count(outcome);
    this.#looked[outcome]++;
  }

  remember(request: PlanRequest, signature: Signature, scene: string, decision: Decision, expiresAtMs: number): void {
    const isPlaced = this.#similar ?? this.#disk ?? this.journal;
    const place = isPlaced && this.#placer.place(request.observation, request.actions);
    const slot = this.#put({ signature, place, decision, expiresAtMs });
    if (slot === undefined) return;
    this.#scenes.set(slot, scene);
    this.journal?.decided(signature, place, decision, expiresAtMs, false);
  }

  /** Whether the disk has a decision for a state that was made clearly later than this. */
  hasNewer(signature: Signature, decidedAtMs: number): boolean {
    const found = this.#disk?.read(signature);
    return found !== undefined && found.decision.decidedAtMs > decidedAtMs + CLEARLY_LATER_MS;
  }

  /** Remembers what another node has decided, in place of what is remembered. The journal is not told. */
  adopt(adopted: AdoptedDecision): void {
    this.#put(adopted);
  }

  /** Returns the slot, unless the decision is too large. */
  #put(put: AdoptedDecision): SlotIndex | undefined {
    const { signature, place, expiresAtMs } = put;
    const outcome = this.#write(put);
    if (outcome.kind === 'too-large') {
      this.#tooLarge++;
      return undefined;
    }
    if (outcome.cut) this.#cut++;
    this.#holds(outcome.slot);
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    this.#disk?.write(signature, place, put.decision, expiresAtMs);
    return outcome.slot;
  }

  #write(put: AdoptedDecision): WriteOutcome {
    const { signature, asStored, expiresAtMs } = put;
    if (asStored === undefined) return this.#writer.write(signature, put.decision, expiresAtMs);
    return this.#writer.copy(signature, asStored.bytes, asStored.decidedAtMs, expiresAtMs);
  }

  /** Replaces the decision of an entry until the entry expires. Not written to disk. */
  amend(signature: Signature, decision: Decision, expiresAtMs: number): void {
    this.adoptAmended({ signature, place: undefined, decision, expiresAtMs });
    this.journal?.decided(signature, undefined, decision, expiresAtMs, true);
  }

  /** As `amend`, for what another node has amended. */
  adoptAmended(amended: AdoptedDecision): void {
    const outcome = this.#write(amended);
    if (outcome.kind === 'stored') this.#holds(outcome.slot);
  }

  /** Forgets every decision at once, in memory also those of other domains in the same store. */
  clear(): void {
    this.#store.clear();
    this.#disk?.clear();
    this.journal?.cleared();
  }

  #cleared(): void {
    this.#clears++;
    this.#similar?.clear();
    this.#scenes.clear();
    this.#own.fill(0);
    this.#entries = 0;
  }

  get #size(): number {
    return this.#store.isShared ? this.#entries : this.#writer.size;
  }

  /** A slot has come to hold a decision of this domain. */
  #holds(slot: SlotIndex): void {
    if (this.#own[slot] !== 0) return;
    this.#own[slot] = 1;
    this.#entries++;
  }

  #retired(slot: SlotIndex): void {
    this.#similar?.remove(slot);
    this.#scenes.remove(slot);
    if (this.#own[slot] !== 1) return;
    this.#own[slot] = 0;
    this.#entries--;
    this.#evictions++;
  }

  /** Closes the disk tier. Resolves when everything remembered is on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#store.close();
    await this.#disk?.close();
  }

  stats(): DecisionStats {
    const { isShared } = this.#store;
    const { hit, stale: expired, miss } = this.#looked;
    const { hits, stale, misses } = isShared
      ? { hits: hit, stale: expired, misses: miss }
      : readStoreCounts(this.buffer);
    return {
      exactHits: hits,
      stale,
      misses,
      entries: this.#size,
      entriesByScene: this.#scenes.stats(),
      evictions: isShared ? this.#evictions : this.#writer.evictions,
      cut: this.#cut,
      tooLarge: this.#tooLarge,
      disk: this.#disk?.stats() ?? false,
    };
  }

  /** Restores a decision of an earlier run as the most recently used one or, if cold, as the first to be evicted. */
  #restore({ signature, place, decision, expiresAtMs }: RestoredDecision, isCold: boolean): void {
    const outcome = this.#writer.write(signature, decision, expiresAtMs);
    if (outcome.kind !== 'stored') return;
    this.#holds(outcome.slot);
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    if (isCold) this.#writer.demote(outcome.slot);
  }
}
