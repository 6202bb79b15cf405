import type { Clock } from '../../../shared/clock.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import type { LoadedModels } from './memory-watch.ts';
import { type CallShows, SwapTimes, type Visit } from './swap-times.ts';

/**
 * Which models a server has in memory, whether the models in use fit together, and how long a load takes. This is reported by the
 * server (LM Studio, Ollama, a llama.cpp router) or learned from the times of calls. Until one model has been seen to evict
 * another, the server is treated as if it held all of its models.
 */
export interface ModelMemoryStats {
  /** Whether the models in use evict one another, or are assumed to until it is known. */
  readonly isShort: boolean;
  /** Whether the server reports which models it has in memory. */
  readonly isTold: boolean;
  /** The models believed to be in memory, latest used last. */
  readonly loaded: readonly string[];
  /** Calls that had to wait for their model to be loaded. */
  readonly loads: number;
}

/** Assumed time of a load while nothing is known about it. */
const LOAD_MS = 5_000;
/** Weight of the latest load of a model in its load time. */
const LOAD_WEIGHT = 0.5;
const MODELS_MAX = 256;
/** A model that was idle for longer may have been unloaded for that. */
const IDLE_MS_MAX = 240_000;
/** A model that was not called for this long is tried again, so that it is not forgotten. */
const RECHECK_MS = 600_000;
/** As `RECHECK_MS`, for what was learned from times alone; doubled with each load that confirms it. */
const RECHECK_LEARNED_MS = 60_000;
/** As `RECHECK_MS`, while it is not known whether the models fit together. */
const RECHECK_UNPROVEN_MS = 10_000;
/** A suspicion that times do not confirm is not raised again for this long. */
const TRIAL_EVERY_MS = 600_000;

const NOTHING: CallShows = { isComparable: false, isBroken: false };

/** A running call, as the memory sees it: pass it to `ended`. */
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
  /** The models that are configured for this endpoint. */
  readonly #wanted: ReadonlySet<string>;
  readonly #swaps = new SwapTimes();
  /** Models believed to be in memory, least recently used first. */
  readonly #loaded = new Set<string>();
  /** Running calls by model. */
  readonly #running = new Map<string, number>();
  readonly #loadMs = new Map<string, number>();
  /** Start times of the loads believed to be in progress. */
  readonly #loadingSinceMs = new Map<string, number>();
  readonly #usedAtMs = new Map<string, number>();
  /** Number of models that fit; infinite until one was seen to evict another. */
  #fits = Number.POSITIVE_INFINITY;
  /** Whether a model was seen to evict another. */
  #isProven = false;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #told: ReadonlySet<string> | undefined;
  /** The models whose state the server reports. */
  readonly #listed = new Set<string>();
  #recheckMs = RECHECK_LEARNED_MS;
  #changedAtMs: number;
  #loads = 0;
  /** Number of calls started so far. */
  begun = 0;

  constructor(clock: Clock, isOn: boolean, wanted: ReadonlySet<string> = new Set()) {
    this.#clock = clock;
    this.#wanted = wanted;
    this.#isOn = isOn;
    this.#changedAtMs = clock.now();
  }

  /** Whether the models in use evict one another, or are assumed to until it is known. */
  get isShort(): boolean {
    return this.#isOn && this.#fits !== Number.POSITIVE_INFINITY;
  }

  /** Whether models are known to evict one another. */
  get isProven(): boolean {
    return this.isShort && this.#isProven;
  }

  /** Number of models that fit into memory; infinite until one was seen to evict another. */
  get fits(): number {
    return this.#isOn ? this.#fits : Number.POSITIVE_INFINITY;
  }

  /** Whether a call to the model would evict another one. */
  needsLoad(model: string): boolean {
    return this.isShort && this.#isListed(model) && !this.#loaded.has(model);
  }

  /** How long a call to the model would wait for its load, in milliseconds; 0 if it is in memory, or all are. */
  loadMs(model: string): number {
    if (this.needsLoad(model)) return this.usualLoadMs(model);
    const sinceMs = this.#loadingSinceMs.get(model);
    return sinceMs === undefined ? 0 : Math.max(0, sinceMs + this.usualLoadMs(model) - this.#clock.now());
  }

  /** How long a load of the model takes, in milliseconds: from its latest loads, else from those of other models. */
  usualLoadMs(model: string): number {
    const known = this.#loadMs.get(model);
    if (known !== undefined || this.#loadMs.size === 0) return known ?? LOAD_MS;
    return [...this.#loadMs.values()].reduce((sum, ms) => sum + ms, 0) / this.#loadMs.size;
  }

  /** When the model was last called; undefined if never. */
  usedAtMs(model: string): number | undefined {
    return this.#usedAtMs.get(model);
  }

  /** When a model was last loaded in place of another. */
  get changedAtMs(): number {
    return this.#changedAtMs;
  }

  /** Time without a change after which a model that is not in memory is tried again. */
  get recheckMs(): number {
    if (!this.#isProven) return RECHECK_UNPROVEN_MS;
    return this.#told === undefined ? this.#recheckMs : RECHECK_MS;
  }

  /** Whether a call has started to a model that the server has not yet reported as loaded. */
  get isUnsure(): boolean {
    const told = this.#told;
    return told !== undefined && [...this.#loaded].some((model) => !told.has(model));
  }

  /** Sets the models whose state the server reports; nothing is concluded about others. */
  lists(models: Iterable<string>): void {
    for (const model of models) this.#listed.add(model);
  }

  #isListed(model: string): boolean {
    return this.#told === undefined || this.#listed.has(model);
  }

  /** A call of the model starts. */
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

  /** A call has ended; `how` is what its times show. */
  ended({ model, isLoad, swap }: MemoryVisit, report: CallReport, how: CallShows = NOTHING): void {
    const left = (this.#running.get(model) ?? 1) - 1;
    if (left > 0) this.#running.set(model, left);
    else this.#running.delete(model);
    const { firstTokenMs, totalMs } = report;
    if (firstTokenMs !== undefined) this.#loadingSinceMs.delete(model);
    if (isLoad) this.#learnLoad(model, firstTokenMs, totalMs);
    if (this.#told === undefined) this.#learnFits(swap, report, how);
  }

  /** Applies the list of loaded models that the server reported. */
  told({ names, count }: LoadedModels): void {
    const before = this.#told;
    const were = new Set([...(before ?? []), ...this.#loaded]);
    const gone = [...were].filter((model) => !names.has(model) && !this.#running.has(model));
    this.lists(names);
    const hasCome = before !== undefined && [...names].some((model) => !before.has(model));
    this.#told = names;
    for (const model of gone) this.#loaded.delete(model);
    for (const model of names) this.#found(model);
    // A model that left without another one coming, or after minutes without a call, was unloaded because it was idle.
    const isProof = gone.some((model) => this.#isInUse(model)) && (hasCome || this.#isLoading(names));
    this.#isProven ||= isProof;
    if (isProof) this.#fits = Math.max(1, count);
    else if (this.#fits !== Number.POSITIVE_INFINITY) this.#fits = Math.max(this.#fits, count);
    // Whether the others also fit is found out by loading them, one at a time.
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

  /** A model believed to be in memory had been unloaded, and is loaded again for its running calls. */
  #isLoadedAgain(model: string): void {
    if (this.#loadingSinceMs.has(model)) return;
    this.#loadingSinceMs.set(model, this.#clock.now());
    this.#loads++;
  }

  /** A model that is being loaded evicts those without running calls. */
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

  /** A call that was cut before its first token shows that a load takes at least that long. */
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
        // The model was in memory after all.
        if (!this.#isProven || visit.others >= this.#fits) this.#fitAll();
        return;
      default:
        found satisfies never;
    }
  }

  /** Calls after other models take long, and there is nothing to compare with: for a few plans one model is called alone. */
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
