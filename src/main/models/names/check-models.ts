import { PlannerError } from '../../../shared/errors.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import type { ResolvedEndpoint, ResolvedOptions } from '../../options/planner-options.ts';
import { type ServerTrouble, troubleIn } from '../discovery/server-trouble.ts';
import { isSameModel, nearestModels } from './nearest-models.ts';

/** The models that one endpoint lists, or why it could not be asked. */
export type EndpointListing =
  | { readonly kind: 'listed'; readonly endpoint: ResolvedEndpoint; readonly models: readonly string[] }
  | { readonly kind: 'unreachable'; readonly endpoint: ResolvedEndpoint; readonly error: PlannerError };

export interface CheckedModels {
  /** The options, with missing models substituted or left out according to the policy. */
  readonly options: ResolvedOptions;
  readonly warnings: readonly string[];
}

/** Asks one endpoint for its models. */
export type ListModels = (endpoint: ResolvedEndpoint, timeoutMs: number) => Promise<readonly string[]>;

export async function listEndpoints(options: ResolvedOptions, list: ListModels): Promise<EndpointListing[]> {
  return Promise.all(
    options.endpoints.map(async (endpoint): Promise<EndpointListing> => {
      try {
        return { kind: 'listed', endpoint, models: await list(endpoint, options.startTimeoutMs) };
      } catch (error) {
        if (error instanceof PlannerError) return { kind: 'unreachable', endpoint, error };
        throw error;
      }
    }),
  );
}

interface Placed {
  readonly model: string;
  readonly endpoint: string;
  readonly alternatives: readonly string[];
}

function missingMessage(model: string, endpoint: ResolvedEndpoint, models: readonly string[]): string {
  const nearest = nearestModels(model, models);
  const hint =
    nearest.length > 0
      ? `nearest: ${nearest.join(', ')}`
      : models.length === 0
        ? 'it lists no models; load one first'
        : `it lists ${models.slice(0, 5).join(', ')}${models.length > 5 ? ', …' : ''}`;
  return `model "${model}" is not on the list of endpoint ${endpoint.name} (${shownURL(endpoint.baseURL)}); ${hint}`;
}

/** The states of an endpoint that lists no models, in words, with what helps. */
const STATES: Readonly<Record<ServerTrouble | 'unreachable', { readonly is: string; readonly cure: string }>> = {
  unreachable: { is: 'cannot be reached', cure: 'start the model server' },
  key: { is: 'wants a key that it has not got', cure: 'give or correct its apiKey' },
  loading: { is: 'is loading its model', cure: 'wait for it' },
};

/**
 * Checks every configured model against the list of its endpoint, once, at start. `fail` throws ERR_MODEL_MISSING; `substitute`
 * takes the same model under another instance suffix, else the nearest listed one; `skip` leaves it out. An endpoint that cannot
 * be reached throws ERR_ENDPOINT_UNREACHABLE, or causes a warning with `allowOffline`.
 */
export function checkModels(options: ResolvedOptions, listings: readonly EndpointListing[]): CheckedModels {
  const warnings: string[] = [];
  const lists = new Map<string, readonly string[]>();
  for (const listing of listings) {
    const { endpoint } = listing;
    if (listing.kind === 'listed') {
      lists.set(endpoint.name, listing.models);
      continue;
    }
    const { is, cure } = STATES[troubleIn(listing.error) ?? 'unreachable'];
    const message = `endpoint ${endpoint.name} (${shownURL(endpoint.baseURL)}) ${is}: ${listing.error.message}`;
    if (!options.allowOffline) {
      const both = `${cure}, or allow a start without it (allowOffline)`;
      throw new PlannerError('ERR_ENDPOINT_UNREACHABLE', `${message}; ${both}`, { cause: listing.error });
    }
    warnings.push(`${message}; its models are not checked`);
  }
  /** The model to use, or undefined to leave it out. */
  const settle = (model: string, endpointName: string): string | undefined => {
    const models = lists.get(endpointName);
    if (models === undefined || models.includes(model)) return model;
    const endpoint = options.endpoints.find((at) => at.name === endpointName) as ResolvedEndpoint;
    const message = missingMessage(model, endpoint, models);
    if (options.onMissingModel === 'fail') throw new PlannerError('ERR_MODEL_MISSING', message);
    const substitute = models.find((id) => isSameModel(id, model)) ?? nearestModels(model, models, 1)[0];
    if (options.onMissingModel === 'skip' || substitute === undefined) {
      warnings.push(`${message}; left out`);
      return undefined;
    }
    warnings.push(`${message}; using ${substitute}`);
    return substitute;
  };
  const keep = <T extends Placed>(items: readonly T[]): T[] =>
    items.flatMap((item) => {
      // The places that list the model. If none does, the first place decides what happens.
      const places = [item.endpoint, ...item.alternatives];
      const listing = places.filter((name) => lists.get(name)?.includes(item.model));
      const [endpoint = item.endpoint, ...alternatives] = listing;
      const model = settle(item.model, endpoint);
      return model === undefined ? [] : [{ ...item, model, endpoint, alternatives }];
    });
  return {
    options: Object.freeze({
      ...options,
      experts: keep(options.experts),
      synthesis: { ...options.synthesis, models: keep(options.synthesis.models) },
    }),
    warnings: [...new Set(warnings)],
  };
}
