import type { Clock } from '../../../shared/clock.ts';
import type { Ask, Slot, WaitingAsk, WaitingAsks } from '../slots/ask.ts';
import type { ModelMemory } from './model-memory.ts';

/**
 * Which call starts next when models evict one another: a model is loaded only while no model that it would evict has a running
 * call, since the load would cut off that answer. Calls to loaded models go first, until the call that needs a load has waited as
 * long as the load takes: so at most half of the time goes to loads, and no call waits forever.
 */
export class ModelTurns {
  readonly #clock: Clock;
  readonly #memory: ModelMemory;
  /** The models of running calls. */
  readonly #atWork = new Map<Slot, string>();

  constructor(clock: Clock, memory: ModelMemory) {
    this.#clock = clock;
    this.#memory = memory;
  }

  /** A call has its slot. */
  began({ modelNow }: Ask, slot: Slot): void {
    if (modelNow !== undefined) this.#atWork.set(slot, modelNow());
  }

  /** The model for which a slot was given. */
  modelOf(slot: Slot): string | undefined {
    return this.#atWork.get(slot);
  }

  ended(slot: Slot): void {
    this.#atWork.delete(slot);
  }

  /** Whether a call of another model is running. */
  isBusyWithOthers(model: string): boolean {
    for (const other of this.#atWork.values()) if (other !== model) return true;
    return false;
  }

  /** Whether a call may start without evicting the model of a running call. */
  mayBegin({ modelNow }: Ask): boolean {
    return !this.#memory.isShort || modelNow === undefined || this.#mayBegin(modelNow());
  }

  #mayBegin(model: string): boolean {
    return new Set(this.#atWork.values()).add(model).size <= this.#memory.fits;
  }

  /** The waiting call that is served next; undefined if none can be. */
  next<T extends WaitingAsk>(queue: WaitingAsks<T>): T | undefined {
    const { first } = queue;
    if (first === undefined || !this.#memory.isShort || first.ask.modelNow === undefined) return first;
    const model = first.ask.modelNow();
    const mayBegin = this.#mayBegin(model);
    if (mayBegin && !this.#memory.needsLoad(model)) return first;
    const isPatient = this.#clock.now() - first.sinceMs < this.#memory.usualLoadMs(model);
    const there = isPatient ? queue.find(({ ask }) => this.#isThere(ask)) : undefined;
    return there ?? (mayBegin ? first : undefined);
  }

  #isThere({ modelNow }: Ask): boolean {
    if (modelNow === undefined) return true;
    const model = modelNow();
    return !this.#memory.needsLoad(model) && this.#mayBegin(model);
  }
}
