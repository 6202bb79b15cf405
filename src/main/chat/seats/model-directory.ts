import type { Clock } from '../../../shared/clock.ts';
import type { EndpointListing } from '../../models/names/check-models.ts';
import { isSameModel, nearestModels } from '../../models/names/nearest-models.ts';
import type { Seat } from '../../models/seat.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';

/** The name that stands for the models of `synthesis`, in order; without any, for those of the experts. */
export const LADDER_ALIAS = 'conclave';

/** A model of `GET /v1/models`. */
export interface ListedModel {
  readonly id: string;
  readonly object: 'model';
  /** Seconds since 1970; always 0, since servers do not agree on the meaning. */
  readonly created: number;
  /** The endpoint, or the first of several. */
  readonly owned_by: string;
  /** All endpoints that have it. */
  readonly endpoints: readonly string[];
}

/** Lists are refreshed when a model is looked up, but at most this often. */
const FRESH_MS = 10_000;

type ListModelsAt = (endpoint: string) => Promise<readonly string[]>;

/** Knows where each model is: from the endpoints' lists, at start or later, and from the configuration. */
export class ModelDirectory {
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #list: ListModelsAt;
  readonly #lists = new Map<string, readonly string[]>();
  #listedAtMs: number;
  #listing: Promise<void> | undefined;

  constructor(options: ResolvedOptions, listings: readonly EndpointListing[], list: ListModelsAt, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#list = list;
    this.#listedAtMs = clock.now();
    for (const listing of listings)
      if (listing.kind === 'listed') this.#lists.set(listing.endpoint.name, listing.models);
  }

  /** The seats of a model: all endpoints that have it under this name, else under another instance suffix. Empty if it is unknown. */
  seatsOf(model: string): readonly Seat[] {
    const exact = this.#seats((id) => id === model);
    return exact.length > 0 ? exact : this.#seats((id) => isSameModel(id, model));
  }

  /** The models that are asked one after the other if another one fails. */
  get fallbacks(): readonly string[] {
    return [...new Set(this.#options.synthesis.models.map(({ model }) => model))];
  }

  /** The models that the alias stands for. */
  get ladder(): readonly string[] {
    const { fallbacks } = this;
    return fallbacks.length > 0 ? fallbacks : [...new Set(this.#options.experts.map(({ model }) => model))];
  }

  nearest(model: string): string[] {
    return nearestModels(model, [...this.#byId().keys()]);
  }

  models(): ListedModel[] {
    const listed = [...this.#byId()].map(([id, endpoints]) => entry(id, endpoints));
    const isTaken = listed.some(({ id }) => id === LADDER_ALIAS);
    return isTaken || this.ladder.length === 0 ? listed : [entry(LADDER_ALIAS, ['conclave']), ...listed];
  }

  /** Asks every endpoint for its list again, unless that was done recently. One that does not answer keeps its list. */
  refresh(): Promise<void> {
    if (this.#listing !== undefined) return this.#listing;
    if (this.#clock.now() - this.#listedAtMs < FRESH_MS) return Promise.resolve();
    this.#listedAtMs = this.#clock.now();
    this.#listing = this.#refresh().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #refresh(): Promise<void> {
    await Promise.all(
      this.#options.endpoints.map(async ({ name }) => {
        try {
          this.#lists.set(name, await this.#list(name));
        } catch {
          // The known list is kept: the endpoint may be busy or starting.
        }
      }),
    );
  }

  #seats(isMeant: (id: string) => boolean): Seat[] {
    const seats: Seat[] = [];
    for (const { name } of this.#options.endpoints) {
      const model = this.#modelsAt(name).find(isMeant);
      if (model !== undefined) seats.push({ endpoint: name, model });
    }
    return seats;
  }

  #byId(): Map<string, string[]> {
    const byId = new Map<string, string[]>();
    for (const { name } of this.#options.endpoints) {
      for (const id of this.#modelsAt(name)) byId.set(id, [...(byId.get(id) ?? []), name]);
    }
    return byId;
  }

  /** The models that an endpoint lists, and those configured to be there. */
  #modelsAt(endpoint: string): readonly string[] {
    const { experts, synthesis } = this.#options;
    const isListed = this.#lists.has(endpoint);
    const configured = [...synthesis.models, ...experts]
      // An alternative is only a place where the model may be: the list would show it.
      .filter((each) => each.endpoint === endpoint || (!isListed && each.alternatives.includes(endpoint)))
      .map(({ model }) => model);
    return [...new Set([...(this.#lists.get(endpoint) ?? []), ...configured])];
  }
}

function entry(id: string, endpoints: readonly string[]): ListedModel {
  return { id, object: 'model', created: 0, owned_by: endpoints[0] as string, endpoints };
}
