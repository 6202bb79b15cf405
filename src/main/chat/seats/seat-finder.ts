import type { Clock } from '../../../shared/clock.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { ChatSeat } from './chat-route.ts';
import { LADDER_ALIAS, type ModelDirectory } from './model-directory.ts';

export interface FinderParts {
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly directory: ModelDirectory;
}

/** The parts of a request that matter for the search. */
interface Seeking {
  readonly model: string;
  /** True if other models may be asked if this one fails. */
  readonly mayFallBack: boolean;
  readonly deadlineMs: number;
}

/** Finds the seats that may be asked. */
export class SeatFinder {
  readonly #parts: FinderParts;

  constructor(parts: FinderParts) {
    this.#parts = parts;
  }

  /**
   * The seats of the model asked for, then those of each model of the ladder. Throws ERR_MODEL_MISSING, or ERR_MODEL_TIMEOUT_STREAM if an endpoint
   * does not list its models in time.
   */
  async find({ model, mayFallBack, deadlineMs }: Seeking): Promise<readonly (readonly ChatSeat[])[]> {
    const { directory } = this.#parts;
    if (directory.seatsOf(model).length === 0) {
      if (model === LADDER_ALIAS && directory.ladder.length > 0) {
        // The request names the ladder itself.
        return directory.ladder.map((each, index) => this.#seatsOf(each, index > 0));
      }
      // It may have been loaded since the last refresh.
      await this.#refresh(deadlineMs);
    }
    const asked = this.#seatsOf(model, false);
    if (asked.length === 0) throw missing(model, directory.nearest(model));
    return mayFallBack ? [asked, ...directory.fallbacks.map((each) => this.#seatsOf(each, true))] : [asked];
  }

  /** An endpoint that does not answer delays a request no longer than the request's own time. */
  async #refresh(deadlineMs: number): Promise<void> {
    const { clock, directory } = this.#parts;
    const leftMs = deadlineMs - clock.now();
    const over = Promise.withResolvers<never>();
    const timer = clock.setTimer(leftMs, () => over.reject(outOfTime(leftMs)));
    try {
      await Promise.race([directory.refresh(), over.promise]);
    } finally {
      timer.cancel();
    }
  }

  #seatsOf(model: string, isFallback: boolean): ChatSeat[] {
    return this.#parts.directory.seatsOf(model).map((seat) => ({
      at: this.#parts.endpoints.get(seat.endpoint) as ModelEndpoint,
      model: seat.model,
      isFallback,
    }));
  }
}

export function outOfTime(afterMs: number): PlannerError {
  return new PlannerError('ERR_MODEL_TIMEOUT_STREAM', `no whole answer within ${Math.round(afterMs)} ms`);
}

function missing(model: string, nearest: readonly string[]): PlannerError {
  const hint = nearest.length > 0 ? `nearest: ${nearest.join(', ')}` : 'GET /v1/models lists those that there are';
  return new PlannerError('ERR_MODEL_MISSING', `no endpoint lists the model ${describeValue(model)}; ${hint}`);
}
