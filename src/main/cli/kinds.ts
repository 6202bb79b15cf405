import type { Domain } from '../../shared/domain.ts';
import { skyrim } from '../../shared/domains/skyrim.ts';
import { NamedDomains } from '../../shared/named-domain.ts';
import type { PanelOptions } from '../models/names/choose-models.ts';
import type { DomainOptions, DomainsOption } from '../options/planner-options.ts';
import { type Config, type ConfiguredDomain, loadDomain } from '../service/config/config-file.ts';
import { UsageError } from './cli-error.ts';

/** The domain that a command plans for, or several by name. */
export type Kinds = { readonly domain: Domain } | { readonly domains: Readonly<Record<string, ConfiguredDomain>> };

export const DOMAIN_FLAG = [
  '--domain <name>',
  'skyrim, or a file that defines a domain; name=file, repeated, for several (default: as configured, else skyrim)',
] as const;

/** Collects the values of a flag that may be repeated. */
export function repeated(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** The domains of the flags, else those of the configuration, else skyrim. */
export async function kindsFor(cwd: string, flags: readonly string[] | undefined, config: Config = {}): Promise<Kinds> {
  if (flags === undefined) {
    return config.domains === undefined ? { domain: config.domain ?? skyrim } : { domains: config.domains };
  }
  const [only, ...others] = flags as [string, ...string[]];
  if (others.length === 0 && !only.includes('=')) return { domain: await loadDomain(cwd, only) };
  const domains: Record<string, Domain> = {};
  for (const flag of flags) {
    const [name, place] = namedPlace(flag);
    if (Object.hasOwn(domains, name)) throw new UsageError(`--domain names ${name} twice`);
    domains[name] = await loadDomain(cwd, place);
  }
  return { domains };
}

function namedPlace(flag: string): [name: string, place: string] {
  const at = flag.indexOf('=');
  if (at < 1) throw new UsageError(`--domain must be name=file where there are several, got "${flag}"`);
  return [flag.slice(0, at), flag.slice(at + 1)];
}

/** Finds the domain of a request. */
export function domainsOf(kinds: Kinds): NamedDomains<Domain> {
  if ('domain' in kinds) return new NamedDomains(new Map([[kinds.domain.name, kinds.domain]]));
  const named = Object.entries(kinds.domains).map(([name, own]): [string, Domain] => {
    return [name, 'features' in own ? own : own.domain];
  });
  return new NamedDomains(new Map(named));
}

/** An entry of `domains` as options of its own. */
export function ownOptions(entry: DomainsOption[string]): DomainOptions {
  return typeof entry === 'string' || 'features' in entry ? { domain: entry } : entry;
}

/** The options of the domains, each with experts: its own, if `keepsOwn`, else those that `panelFor` chooses for its roles. */
export function withPanels(
  kinds: Kinds,
  panelFor: (domain: Domain) => PanelOptions | undefined,
  keepsOwn: boolean,
): Kinds & Partial<PanelOptions> {
  if ('domain' in kinds) return { ...kinds, ...panelFor(kinds.domain) };
  const entries = Object.entries(kinds.domains).map(([name, given]) => {
    const own: DomainOptions<Domain> = 'features' in given ? { domain: given } : given;
    const panel = keepsOwn && own.experts !== undefined ? undefined : panelFor(own.domain);
    return [name, { ...own, ...panel }] as const;
  });
  return { domains: Object.fromEntries(entries) };
}
