import type { MachineRequest, SimulatedSlot } from './machine-job.ts';

/*
 * What a server has read and still holds, as real servers do it. Each model in memory has a cache of its own: Ollama and LM Studio run one process for
 * each, so a call to another model does not empty it. llama.cpp holds one prompt in each slot, takes the idle slot whose prompt has most in common with
 * a new one (if that is more than a tenth of it, `--slot-prompt-similarity`), else the least recently used one, and saves a prompt of which less than
 * half would be kept in the host's memory, from where a later request gets it back (`--cache-ram`, 8 GB by default since pull request 16391 of
 * October 2025; Ollama's issue 18264 counts 27 prompts of a model of 12B). vLLM shares what any request has read with all others.
 */

/** A slot is preferred if its prompt has more than this share of the new one. */
const SIMILARITY_MIN = 0.1;
/** A prompt is saved if less than this share of it would be kept in its slot. */
const KEPT_MIN = 0.5;
/** A saved prompt is taken only if it shares this much of itself. */
const RESTORED_MIN = 0.25;
/** Number of prompts of a model that the host's memory has room for. */
const SAVED_MAX = 30;

export class PrefixCaches {
  readonly #slots: readonly SimulatedSlot[];
  readonly #isShared: boolean;
  readonly #saved = new Map<string, string[]>();

  /** `isShared` says whether a slot can use what another one has read. */
  constructor(slots: readonly SimulatedSlot[], isShared: boolean) {
    this.#slots = slots;
    this.#isShared = isShared;
  }

  /** The idle slot that a request gets; undefined if all are at work. */
  freeSlotFor({ model, prompt }: MachineRequest): SimulatedSlot | undefined {
    const idle = this.#slots.filter(({ job }) => job === undefined);
    let best: SimulatedSlot | undefined;
    let most = SIMILARITY_MIN * prompt.text.length;
    for (const slot of idle) {
      const prefix = commonPrefix(textOf(slot, model.id), prompt.text);
      if (prefix > most) [best, most] = [slot, prefix];
    }
    return best ?? idle.sort((a, b) => a.usedAt - b.usedAt)[0];
  }

  /** Gives a slot to a prompt, and returns how many of its characters need not be read again. */
  take(slot: SimulatedSlot, { model: { id }, prompt: { text } }: MachineRequest): number {
    const before = textOf(slot, id);
    if (commonPrefix(before, text) < KEPT_MIN * before.length || before === '') this.#swap(slot, id, text);
    const at = this.#isShared ? this.#slots : [slot];
    const prefix = Math.max(...at.map((each) => commonPrefix(textOf(each, id), text)));
    slot.held.set(id, text.slice(0, prefix));
    return prefix;
  }

  /** Forgets what was read for a model that has left the memory. */
  forget(model: string): void {
    this.#saved.delete(model);
    for (const { held } of this.#slots) held.delete(model);
  }

  /** Saves the slot's prompt, and restores a saved one that is nearer to the new one. */
  #swap(slot: SimulatedSlot, model: string, text: string): void {
    const before = textOf(slot, model);
    const saved = (this.#saved.get(model) ?? []).filter((each) => !before.startsWith(each));
    let best = before;
    for (const each of saved) {
      const isWorth = keptOf(each, text) >= RESTORED_MIN && commonPrefix(each, text) > commonPrefix(best, text);
      if (isWorth && (best === '' || keptOf(each, text) > keptOf(best, text))) best = each;
    }
    const others = best === before ? saved : saved.filter((each) => each !== best);
    this.#saved.set(model, [...others, ...(before === '' ? [] : [before])].slice(-SAVED_MAX));
    slot.held.set(model, best);
  }
}

function textOf({ held }: SimulatedSlot, model: string): string {
  return held.get(model) ?? '';
}

/** The share of a held prompt that a new one would keep. */
function keptOf(held: string, text: string): number {
  return commonPrefix(held, text) / held.length;
}

function commonPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
