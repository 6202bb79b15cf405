import type { ModelEndpoint } from '../../models/model-endpoint.ts';

/** A model at an endpoint where a chat may be asked. */
export interface ChatSeat {
  readonly at: ModelEndpoint;
  /** Its name there. */
  readonly model: string;
  /** Whether it is another model than was asked for. */
  readonly isFallback: boolean;
}

/**
 * The seats of one chat: those of the model asked for, then those of each model of the ladder. Of one model the seat is
 * taken where it is expected to be done first; what rests is passed over.
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

  /** The next seat, which is then left out; undefined where none is left that lets anybody in. */
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

  /** Whether another seat could be asked. */
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
