import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../shared/domain.ts';
import type { ObservationOf } from '../../shared/observation.ts';
import { checkRequest, type RequestWith } from '../../shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../shared/signature.ts';
import { StoreReader } from '../../shared/store/store-reader.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';

/** Reads a planner's cache from any thread of the process. */
export type SharedCache<D extends DomainDefinition = Domain> = SharedCacheWith<ObservationOf<D>>;

interface SharedCacheWith<O extends Observation> {
  /**
   * Returns the fresh decision for the same state, with an action that is legal now, or undefined. Synchronous, without a
   * message to the planner, and counted in its `stats()`. Throws ERR_REQUEST_INVALID.
   *
   * It reads the store only: similar states, the error budget and the loop guard are known to the planner's own `plan` and
   * `peek`.
   */
  peek(request: RequestWith<O>): Decision | undefined;
}

/**
 * Opens `planner.cacheBuffer` in another thread of the same process. `domain` must be the planner's. Throws ERR_STORE_INVALID if
 * the buffer is not a store of this version. Keep the result: each call claims one of 64 blocks of counters.
 */
export function openCache<D extends Domain>(buffer: SharedArrayBuffer, domain: D, clock?: Clock): SharedCache<D>;
export function openCache(buffer: SharedArrayBuffer, domain: Domain, clock: Clock = systemClock): SharedCache {
  const reader = new StoreReader(buffer);
  const signer = new Signer(domain);
  const signature: Signature = new Int32Array(SIGNATURE_WORDS);
  return {
    peek(request) {
      checkRequest(domain, request);
      const lookup = reader.lookup(signer.sign(request.observation, request.actions, signature), clock.now());
      if (lookup.kind !== 'hit') return undefined;
      const { decision } = lookup.entry;
      const action = rememberedAction(request, decision);
      return action === undefined ? undefined : decisionFor(decision, action);
    },
  };
}
