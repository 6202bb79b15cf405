import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, type DomainDefinition, type Observation, sceneOf } from '../../shared/domain.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { NamedDomains } from '../../shared/named-domain.ts';
import type { ObservationOf } from '../../shared/observation.ts';
import { checkRequest, type PlanRequest, type RequestWith } from '../../shared/plan-request.ts';
import { scopedDomain } from '../../shared/scoped-domain.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../shared/signature.ts';
import { ServingRulesReader } from '../../shared/store/serving-rules.ts';
import { StoreReader } from '../../shared/store/store-reader.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { isContradicted } from './similar/near-answers.ts';
import { ownKind } from './tally-change.ts';

/** Reads a planner's cache from any thread of the process. */
export type SharedCache<D extends DomainDefinition = Domain> = SharedCacheWith<ObservationOf<D>>;

interface SharedCacheWith<O extends Observation> {
  /**
   * Returns the fresh decision for the same state, with an action that is legal now, or undefined. Synchronous, without a
   * message to the planner, and counted in its `stats()`. Throws ERR_REQUEST_INVALID.
   *
   * It serves what the planner would serve by the request's Q-values (`valuesMin`) and by what checks have shown about the
   * scene's decisions (`trust`), and nothing if there is an error budget, which only the planner can keep. Similar states and
   * the guards are known to the planner's own `plan` and `peek` alone.
   */
  peek(request: RequestWith<O>): Decision | undefined;
}

export interface OpenCacheOptions {
  /** Returns whatever is fresh and legal, also what the planner itself would not serve. Default false. */
  readonly unchecked?: boolean;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** All domains of a planner of several, by name, as `createPlanner` takes them: with options of their own or without. */
export interface SeveralDomains {
  readonly domains: Readonly<Record<string, Domain | { readonly domain: Domain }>>;
}

/**
 * Opens `planner.cacheBuffer` in another thread of the same process. The domain must be the planner's, and so must all of several,
 * as `{ domains }`; then each request names its own. Throws ERR_STORE_INVALID if
 * the buffer is not a store of this version, ERR_DOMAIN_INVALID if what is given is no domain. Keep the result: each call claims one of 64 blocks of counters.
 */
export function openCache<D extends Domain>(
  buffer: SharedArrayBuffer,
  domain: D,
  options?: OpenCacheOptions,
): SharedCache<D>;
export function openCache(buffer: SharedArrayBuffer, given: SeveralDomains, options?: OpenCacheOptions): SharedCache;
export function openCache(
  buffer: SharedArrayBuffer,
  given: Domain | SeveralDomains,
  options: OpenCacheOptions = {},
): SharedCache {
  const { unchecked = false, clock = systemClock } = options;
  const reader = new StoreReader(buffer);
  const rules = new ServingRulesReader(buffer);
  const domains = keyedDomains(given);
  const signature: Signature = new Int32Array(SIGNATURE_WORDS);
  return {
    peek(request) {
      const { domain, signer } = domains.of(request);
      checkRequest(domain, request);
      const lookup = reader.lookup(signer.sign(request.observation, request.actions, signature), clock.now());
      if (lookup.kind !== 'hit') return undefined;
      const { decision } = lookup.entry;
      const action = rememberedAction(request, decision);
      if (action === undefined) return undefined;
      return unchecked || isServed(rules, domain, request, decision, action)
        ? decisionFor(decision, action)
        : undefined;
    },
  };
}

interface KeyedDomain {
  readonly domain: Domain;
  readonly signer: Signer;
}

/** Several domains have other keys than each of them alone. */
function keyedDomains(given: Domain | SeveralDomains): NamedDomains<KeyedDomain> {
  const named = namedDomains(given);
  const isAlone = named.length === 1;
  const keyed = named.map(([name, domain]): [string, KeyedDomain] => {
    const own = isAlone || domain.scope !== undefined ? domain : scopedDomain(name, domain);
    return [name, { domain: own, signer: new Signer(own) }];
  });
  return new NamedDomains(new Map(keyed));
}

function namedDomains(given: Domain | SeveralDomains): (readonly [name: string, domain: Domain])[] {
  if (!isObject(given) || !('domains' in given)) return [[given?.name, domainAt('domain', given)]];
  if (!isObject(given.domains)) fail('domains', given.domains);
  return Object.entries(given.domains).map(([name, entry]) => {
    const hasOwn = isObject(entry) && 'domain' in entry && !('features' in entry);
    return [name, domainAt(`domains.${name}`, hasOwn ? entry.domain : entry)];
  });
}

function domainAt(key: string, domain: unknown): Domain {
  return isObject(domain) && 'features' in domain && 'name' in domain ? (domain as Domain) : fail(key, domain);
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object';
}

function fail(key: string, value: unknown): never {
  const rule = "must be the planner's domain, or all of several as { domains }";
  throw new PlannerError('ERR_DOMAIN_INVALID', `${key} ${rule}, got ${describeValue(value)}`);
}

/** Whether the planner's rules, as far as they are known to all readers, allow a decision to be served. */
function isServed(
  reader: ServingRulesReader,
  domain: Domain,
  request: PlanRequest,
  decision: Decision,
  action: string,
): boolean {
  const { hasBudget, valuesMin } = reader.rules;
  if (hasBudget || isContradicted(request, action, valuesMin)) return false;
  const scene = sceneOf(domain, request.observation);
  const { scope } = domain;
  return !reader.isDoubted(ownKind(decision), scene, scope) && !reader.isDoubted('exact', scene, scope);
}
