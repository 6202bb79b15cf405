import type { Clock } from '../../../shared/clock.ts';
import type { Ask, Slot, WaitingAsk, WaitingAsks } from '../slots/ask.ts';
import type { ModelMemory } from './model-memory.ts';

/**
 * Whose turn it is where models put one another out of memory: a model is loaded only when no call of one that would have to go
 * is at work, since that would end its answer. Calls of models that are there go first, until the one who needs a load has
 * waited as long as the load takes: then at most half of the time goes to loads, and nobody waits for ever.
 */
export class ModelTurns {
  readonly #clock: Clock;
  readonly #memory: ModelMemory;
  /** The models of calls that were let in and have not ended. */
  readonly #atWork = new Map<Slot, string>();

  constructor(clock: Clock, memory: ModelMemory) {
    this.#clock = clock;
    this.#memory = memory;
  }

  /** A call was let in. */
  began({ modelNow }: Ask, slot: Slot): void {
    if (modelNow !== undefined) this.#atWork.set(slot, modelNow());
  }

  /** The model that a call was let in for. */
  modelOf(slot: Slot): string | undefined {
    return this.#atWork.get(slot);
  }

  ended(slot: Slot): void {
    this.#atWork.delete(slot);
  }

  /** Whether a call of another model is at work. */
  isBusyWithOthers(model: string): boolean {
    for (const other of this.#atWork.values()) if (other !== model) return true;
    return false;
  }

  /** Whether a call may begin without putting out the model of another one at work. */
  mayBegin({ modelNow }: Ask): boolean {
    return !this.#memory.isShort || modelNow === undefined || this.#mayBegin(modelNow());
  }

  #mayBegin(model: string): boolean {
    return new Set(this.#atWork.values()).add(model).size <= this.#memory.fits;
  }

  /** Of those who wait, the one who is served next; undefined where nobody is. */
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
