import type { Clock } from '../../../shared/clock.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { LoadedModels } from './memory-watch.ts';
import { type CallShows, SwapTimes, type Visit } from './swap-times.ts';

/**
 * Which models a server has in memory, whether those that are asked fit together, and how long a load takes. The server tells
 * (LM Studio, Ollama, a llama.cpp router), or the times of calls do. Until one model was seen to go for another, nothing is
 * known to be missing, and everything stays as it would be on a server that holds all of its models.
 */
export interface ModelMemoryStats {
  /** Whether models that are asked here put one another out of memory, or are taken to until it is known. */
  readonly isShort: boolean;
  /** Whether the server tells which models it has in memory. */
  readonly isTold: boolean;
  /** The models thought to be in memory, latest used last. */
  readonly loaded: readonly string[];
  /** Calls that had to wait for their model to be loaded. */
  readonly loads: number;
}

/** A load that nothing is known of takes this long. */
const LOAD_MS = 5_000;
/** Weight of the latest load of a model in how long its loads take. */
const LOAD_WEIGHT = 0.5;
const MODELS_MAX = 256;
/** A model that was not asked for longer may have been put out for being idle. */
const IDLE_MS_MAX = 240_000;
/** A model that was not asked for this long is tried again, lest it is forgotten. */
const RECHECK_MS = 600_000;
/** What was learned from times alone is doubted sooner, and half as often with each load that confirms it. */
const RECHECK_LEARNED_MS = 60_000;
/** While it is not known whether models fit together, another one is loaded as soon as this. */
const RECHECK_UNPROVEN_MS = 10_000;
/** A suspicion that times do not confirm does not come back for this long. */
const TRIAL_EVERY_MS = 600_000;

const NOTHING: CallShows = { isComparable: false, isBroken: false };

/** A call at work, for the memory: given back to `ended`. */
export interface MemoryVisit {
  readonly model: string;
  /** Whether its model is loaded for it. */
  readonly isLoad: boolean;
  /** Whether it waits until its model is loaded, for it or for another call. */
  readonly isCold: boolean;
  /** Whether its silence may be that of a load. */
  readonly mayLoad: boolean;
  readonly swap: Visit;
}

export class ModelMemory {
  readonly #clock: Clock;
  readonly #isOn: boolean;
  /** The models that are configured to be asked here. */
  readonly #wanted: ReadonlySet<string>;
  readonly #swaps = new SwapTimes();
  /** Models thought to be in memory, least recently used first. */
  readonly #loaded = new Set<string>();
  /** Calls at work by model. */
  readonly #running = new Map<string, number>();
  readonly #loadMs = new Map<string, number>();
  /** When the loads began that are thought to go on. */
  readonly #loadingSinceMs = new Map<string, number>();
  readonly #usedAtMs = new Map<string, number>();
  /** How many fit; infinite until one was seen to go for another. */
  #fits = Number.POSITIVE_INFINITY;
  /** Whether a model was seen to go for another one. */
  #isProven = false;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #told: ReadonlySet<string> | undefined;
  /** Of a server that tells, the models of which it says whether they are loaded. */
  readonly #listed = new Set<string>();
  #recheckMs = RECHECK_LEARNED_MS;
  #changedAtMs: number;
  #loads = 0;
  /** Calls that have begun so far. */
  begun = 0;

  constructor(clock: Clock, isOn: boolean, wanted: ReadonlySet<string> = new Set()) {
    this.#clock = clock;
    this.#wanted = wanted;
    this.#isOn = isOn;
    this.#changedAtMs = clock.now();
  }

  /** Whether models that are asked here put one another out of memory, or are taken to until it is known. */
  get isShort(): boolean {
    return this.#isOn && this.#fits !== Number.POSITIVE_INFINITY;
  }

  /** Whether it is known that they do. */
  get isProven(): boolean {
    return this.isShort && this.#isProven;
  }

  /** How many models fit into memory; infinite while none was seen to go for another. */
  get fits(): number {
    return this.#isOn ? this.#fits : Number.POSITIVE_INFINITY;
  }

  /** Whether a call to the model would put another one out of memory. */
  needsLoad(model: string): boolean {
    return this.isShort && this.#isListed(model) && !this.#loaded.has(model);
  }

  /** How long a call to the model would wait for its load, milliseconds; 0 where it is in memory, or all are. */
  loadMs(model: string): number {
    if (this.needsLoad(model)) return this.usualLoadMs(model);
    const sinceMs = this.#loadingSinceMs.get(model);
    return sinceMs === undefined ? 0 : Math.max(0, sinceMs + this.usualLoadMs(model) - this.#clock.now());
  }

  /** How long a load of the model takes, milliseconds: as its latest did, else as those of others did. */
  usualLoadMs(model: string): number {
    const known = this.#loadMs.get(model);
    if (known !== undefined || this.#loadMs.size === 0) return known ?? LOAD_MS;
    return [...this.#loadMs.values()].reduce((sum, ms) => sum + ms, 0) / this.#loadMs.size;
  }

  /** When the model was last asked; undefined if never. */
  usedAtMs(model: string): number | undefined {
    return this.#usedAtMs.get(model);
  }

  /** When a model was last loaded in another one's place. */
  get changedAtMs(): number {
    return this.#changedAtMs;
  }

  /** After this long without a change, a model that is not in memory is tried again. */
  get recheckMs(): number {
    if (!this.#isProven) return RECHECK_UNPROVEN_MS;
    return this.#told === undefined ? this.#recheckMs : RECHECK_MS;
  }

  /** Whether a call has begun on a model that the server has not yet told to be in memory. */
  get isUnsure(): boolean {
    const told = this.#told;
    return told !== undefined && [...this.#loaded].some((model) => !told.has(model));
  }

  /** Models of which the server says whether they are loaded; of others nothing is concluded. */
  lists(models: Iterable<string>): void {
    for (const model of models) this.#listed.add(model);
  }

  #isListed(model: string): boolean {
    return this.#told === undefined || this.#listed.has(model);
  }

  /** A call of the model begins. */
  begins(model: string): MemoryVisit {
    this.begun++;
    const isLoad =
      this.needsLoad(model) || (this.#told !== undefined && this.#isListed(model) && !this.#loaded.has(model));
    if (isLoad) {
      this.#loads++;
      this.#changedAtMs = this.#clock.now();
    }
    const isCold = isLoad || this.loadMs(model) > 0;
    if (this.needsLoad(model)) this.#makeRoom();
    if (isLoad && this.isShort) this.#loadingSinceMs.set(model, this.#clock.now());
    this.#use(model);
    this.#running.set(model, (this.#running.get(model) ?? 0) + 1);
    const swap = this.#swaps.begins(model, this.#clock.now());
    const mayLoad = isCold || (this.#isOn && !swap.isWarm && this.#swaps.isSuspicious);
    return { model, isLoad, isCold, mayLoad, swap };
  }

  /** A call has ended; `how` says what its times show. */
  ended({ model, isLoad, swap }: MemoryVisit, report: CallReport, how: CallShows = NOTHING): void {
    const left = (this.#running.get(model) ?? 1) - 1;
    if (left > 0) this.#running.set(model, left);
    else this.#running.delete(model);
    const { firstTokenMs, totalMs } = report;
    if (firstTokenMs !== undefined) this.#loadingSinceMs.delete(model);
    if (isLoad) this.#learnLoad(model, firstTokenMs, totalMs);
    if (this.#told === undefined) this.#learnFits(swap, report, how);
  }

  /** What the server tells to be in memory now. */
  told({ names, count }: LoadedModels): void {
    const before = this.#told;
    const were = new Set([...(before ?? []), ...this.#loaded]);
    const gone = [...were].filter((model) => !names.has(model) && !this.#running.has(model));
    this.lists(names);
    const hasCome = before !== undefined && [...names].some((model) => !before.has(model));
    this.#told = names;
    for (const model of gone) this.#loaded.delete(model);
    for (const model of names) this.#found(model);
    // What went without another one coming, or after minutes without a call, was put out for being idle.
    const isProof = gone.some((model) => this.#isInUse(model)) && (hasCome || this.#isLoading(names));
    this.#isProven ||= isProof;
    if (isProof) this.#fits = Math.max(1, count);
    else if (this.#fits !== Number.POSITIVE_INFINITY) this.#fits = Math.max(this.#fits, count);
    // Whether the others fit beside those that are there shows as they are loaded, one at a time.
    else if (before === undefined && this.#isAnyAbsent) this.#fits = Math.max(1, count);
    if (!this.#isProven && !this.#isAnyAbsent) this.#fits = Number.POSITIVE_INFINITY;
    this.#dropIdle();
    for (const model of this.#running.keys()) {
      if (this.isShort && this.#isListed(model) && !names.has(model)) this.#isLoadedAgain(model);
    }
  }

  stats(): ModelMemoryStats {
    return {
      isShort: this.isShort,
      isTold: this.#told !== undefined,
      loaded: [...this.#loaded],
      loads: this.#loads,
    };
  }

  #found(model: string): void {
    this.#loaded.add(model);
    if (!this.#usedAtMs.has(model)) this.#usedAtMs.set(model, this.#clock.now());
  }

  #isInUse(model: string): boolean {
    return this.#clock.now() - (this.#usedAtMs.get(model) ?? Number.NEGATIVE_INFINITY) < IDLE_MS_MAX;
  }

  /** A model that was thought to be there had gone, and is loaded for the calls that are at work on it. */
  #isLoadedAgain(model: string): void {
    if (this.#loadingSinceMs.has(model)) return;
    this.#loadingSinceMs.set(model, this.#clock.now());
    this.#loads++;
  }

  /** What is being loaded puts out what no call is at work on. */
  #dropIdle(): void {
    for (const model of [...this.#loaded]) {
      if (this.#loaded.size <= this.#fits) return;
      if (!this.#running.has(model)) this.#loaded.delete(model);
    }
  }

  /** Whether one of several configured models is not in memory. */
  get #isAnyAbsent(): boolean {
    if (this.#wanted.size < 2) return false;
    return [...this.#wanted].some((model) => this.#isListed(model) && !this.#loaded.has(model));
  }

  #isLoading(told: ReadonlySet<string>): boolean {
    return [...this.#running.keys()].some((model) => this.#isListed(model) && !told.has(model));
  }

  #use(model: string): void {
    if (this.#usedAtMs.size >= MODELS_MAX) this.#usedAtMs.clear();
    this.#usedAtMs.set(model, this.#clock.now());
    if (!this.#isListed(model)) return;
    this.#loaded.delete(model);
    this.#loaded.add(model);
    if (this.#loaded.size > MODELS_MAX) this.#loaded.delete(this.#loaded.values().next().value as string);
  }

  #makeRoom(): void {
    for (const model of this.#loaded) {
      if (this.#loaded.size < this.#fits) return;
      this.#loaded.delete(model);
    }
  }

  /** A call that was cut before anything came says that a load takes at least that long. */
  #learnLoad(model: string, firstTokenMs: number | undefined, totalMs: number): void {
    const known = this.#loadMs.get(model);
    const ms = Math.max(0, (firstTokenMs ?? totalMs) - this.#swaps.usualMs);
    if (firstTokenMs === undefined && ms <= (known ?? 0)) return;
    if (this.#loadMs.size >= MODELS_MAX) this.#loadMs.clear();
    this.#loadMs.set(model, known === undefined ? ms : known + LOAD_WEIGHT * (ms - known));
  }

  #learnFits(visit: Visit, report: CallReport, how: CallShows): void {
    const found = this.#swaps.ended(visit, report, how);
    switch (found?.kind) {
      case undefined:
        return;
      case 'suspected':
        return this.#suspect();
      case 'load':
        if (this.#isProven) this.#recheckMs = Math.min(RECHECK_MS, 2 * this.#recheckMs);
        else this.#becomeShort(found.fits);
        this.#isProven = true;
        return;
      case 'there':
        // It was there after all.
        if (!this.#isProven || visit.others >= this.#fits) this.#fitAll();
        return;
      default:
        found satisfies never;
    }
  }

  /** Calls after other models take long, and nothing is known of others: for a few plans one model is asked alone, to compare. */
  #suspect(): void {
    const nowMs = this.#clock.now();
    if (this.isShort || this.#wanted.size < 2 || nowMs - this.#triedAtMs < TRIAL_EVERY_MS) return;
    this.#triedAtMs = nowMs;
    this.#becomeShort(1);
  }

  #fitAll(): void {
    this.#fits = Number.POSITIVE_INFINITY;
    this.#isProven = false;
    this.#swaps.forget();
  }

  #becomeShort(fits: number): void {
    this.#fits = fits;
    this.#changedAtMs = this.#clock.now();
    for (const model of this.#loaded) {
      if (this.#loaded.size <= fits) return;
      this.#loaded.delete(model);
    }
  }
}
