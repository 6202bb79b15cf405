import { failOptions } from '../../shared/check-options.ts';
import { type Domain, defineDomain } from '../../shared/domain.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { scopedDomain } from '../../shared/scoped-domain.ts';
import type { ResolvedOptions } from './planner-options.ts';

/** Maximum number of domains of one planner. */
export const DOMAINS_MAX = 32;

/** A domain as given: its definition, and what is its own of the options. */
export interface GivenDomain<Own> {
  readonly name: string;
  readonly domain: Domain;
  readonly own: Own;
  /** The start of its keys in messages. */
  readonly prefix: string;
}

interface Given {
  readonly domain?: unknown;
  readonly domains?: Readonly<Record<string, unknown>> | undefined;
}

/** Reads what is a domain's own of an entry of `domains`. */
export type OwnOptions<Own> = (entry: unknown, prefix: string) => Own;

/** The domains of the options: the only one, or those of `domains` by name. Throws ERR_OPTIONS_INVALID or ERR_DOMAIN_INVALID. */
export function givenDomains<Own>({ domain, domains }: Given, ownOf: OwnOptions<Own>, none: Own): GivenDomain<Own>[] {
  if (domains === undefined) {
    const only = definedAt('domain', domain);
    return [{ name: only.name, domain: only, own: none, prefix: '' }];
  }
  if (domain !== undefined) failOptions('domains must not be given together with domain');
  const names = Object.keys(domains);
  if (names.length === 0 || names.length > DOMAINS_MAX) {
    failOptions(`domains must name 1 to ${DOMAINS_MAX} domains, got ${names.length}`);
  }
  return names.map((name) => namedDomain(name, domains[name], names.length > 1, ownOf, none));
}

function namedDomain<Own>(
  name: string,
  entry: unknown,
  isOneOfSeveral: boolean,
  ownOf: OwnOptions<Own>,
  none: Own,
): GivenDomain<Own> {
  const key = `domains.${name}`;
  const hasOwn = entry !== null && typeof entry === 'object' && 'domain' in entry && !('features' in entry);
  const own = hasOwn ? ownOf(entry, `${key}.`) : none;
  const domain = definedAt(hasOwn ? `${key}.domain` : key, hasOwn ? entry.domain : entry);
  return { name, domain: isOneOfSeveral ? scopedDomain(name, domain) : domain, own, prefix: `${key}.` };
}

function definedAt(key: string, domain: unknown): Domain {
  if (domain === null || typeof domain !== 'object') {
    failOptions(`${key} must be a domain (the built-in skyrim, or one of defineDomain), got ${describeValue(domain)}`);
  }
  try {
    return defineDomain(domain as Domain);
  } catch (error) {
    if (key === 'domain' || !(error instanceof PlannerError)) throw error;
    throw new PlannerError(error.code, `${key}: ${error.message}`, { cause: error });
  }
}

/** The options of one domain: those of the planner, with what is the domain's own. */
export function optionsOfDomain(options: ResolvedOptions, name: string): ResolvedOptions {
  const named = options.domains.find((each) => each.name === name);
  if (named?.own === undefined) return options;
  const isOwn = ({ ofDomain }: { readonly ofDomain?: string }): boolean => ofDomain === name;
  return Object.freeze({
    ...options,
    ...named.own,
    domain: named.domain,
    domains: [named],
    experts: options.experts.filter(isOwn),
    synthesis: { ...named.own.synthesis, models: options.synthesis.models.filter(isOwn) },
  });
}
