import type { ModelEndpoint } from '../../models/model-endpoint.ts';

/** A model at an endpoint where a chat may be asked. */
export interface ChatSeat {
  readonly at: ModelEndpoint;
  /** The model's name there. */
  readonly model: string;
  /** True if it is a model other than the one asked for. */
  readonly isFallback: boolean;
}

/**
 * The seats of one chat: those of the model asked for, then those of each model of the ladder. For each model, the seat expected to finish first is
 * chosen; resting seats are skipped.
 */
export class ChatRoute {
  readonly #groups: ChatSeat[][];
  readonly #isPassedOver = new Set<ChatSeat>();

  constructor(groups: readonly (readonly ChatSeat[])[]) {
    const seen = new Set<string>();
    this.#groups = groups.map((group) =>
      group.filter(({ at, model }) => {
        const key = `${at.name}\n${model}`;
        const isNew = !seen.has(key);
        seen.add(key);
        return isNew;
      }),
    );
  }

  /** Removes and returns the next seat; undefined if none is left that takes calls. */
  next(rankMs: number, onPassedOver: (seat: ChatSeat) => void): ChatSeat | undefined {
    for (const group of this.#groups) {
      const best = bestOf(group, rankMs);
      if (best !== undefined) {
        group.splice(group.indexOf(best), 1);
        return best;
      }
      for (const seat of group) {
        if (!this.#isPassedOver.has(seat)) onPassedOver(seat);
        this.#isPassedOver.add(seat);
      }
    }
    return undefined;
  }

  /** True if another seat could be asked. */
  get hasNext(): boolean {
    return this.#groups.some((group) => group.some(({ at }) => !at.isResting));
  }
}

function bestOf(group: readonly ChatSeat[], rankMs: number): ChatSeat | undefined {
  let best: ChatSeat | undefined;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const seat of group) {
    if (seat.at.isResting) continue;
    const ms = seat.at.forecast.rankedMs(seat.model, 'chat', rankMs);
    if (ms < bestMs || best === undefined) {
      best = seat;
      bestMs = ms;
    }
  }
  return best;
}
