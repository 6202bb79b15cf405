import type { ModelEndpoint } from '../../models/model-endpoint.ts';

/** A model at an endpoint where a chat may be asked. */
export interface ChatPlace {
  readonly at: ModelEndpoint;
  /** Its name there. */
  readonly model: string;
  /** Whether it is another model than was asked for. */
  readonly isFallback: boolean;
}

/**
 * The places of one chat: those of the model asked for, then those of each model of the ladder. Of one model the place is
 * taken where it is expected to be done first; what rests is passed over.
 */
export class ChatRoute {
  readonly #groups: ChatPlace[][];
  readonly #isPassedOver = new Set<ChatPlace>();

  constructor(groups: readonly (readonly ChatPlace[])[]) {
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

  /** The next place, which is then left out; undefined where none is left that lets anybody in. */
  next(rankMs: number, onPassedOver: (place: ChatPlace) => void): ChatPlace | undefined {
    for (const group of this.#groups) {
      const best = bestOf(group, rankMs);
      if (best !== undefined) {
        group.splice(group.indexOf(best), 1);
        return best;
      }
      for (const place of group) {
        if (!this.#isPassedOver.has(place)) onPassedOver(place);
        this.#isPassedOver.add(place);
      }
    }
    return undefined;
  }

  /** Whether another place could be asked. */
  get hasNext(): boolean {
    return this.#groups.some((group) => group.some(({ at }) => !at.isResting));
  }
}

function bestOf(group: readonly ChatPlace[], rankMs: number): ChatPlace | undefined {
  let best: ChatPlace | undefined;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const place of group) {
    if (place.at.isResting) continue;
    const ms = place.at.forecast.rankedMs(place.model, 'chat', rankMs);
    if (ms < bestMs || best === undefined) {
      best = place;
      bestMs = ms;
    }
  }
  return best;
}
