import type { AnyPlannerOptions, DomainsOption } from '../../options/planner-options.ts';

/** Loads the domains that are given as the path of a file, relative to the current folder. Throws as `loadDomain` does. */
export async function withLoadedDomains(options: AnyPlannerOptions): Promise<AnyPlannerOptions> {
  // Options may be anything until they are checked.
  const { domains } = Object(options) as { readonly domains?: DomainsOption };
  const entries = Object.entries(Object(domains) as DomainsOption);
  if (!entries.some(([, entry]) => pathIn(entry) !== undefined)) return options;
  // Loaded only if used, because it reads several formats.
  const { loadDomain } = await import('./config-file.ts');
  const loaded = entries.map(async ([name, entry]) => {
    const path = pathIn(entry);
    if (path === undefined) return [name, entry] as const;
    const domain = await loadDomain('.', path);
    return [name, typeof entry === 'string' ? domain : { ...entry, domain }] as const;
  });
  return { ...options, domains: Object.fromEntries(await Promise.all(loaded)) } as AnyPlannerOptions;
}

function pathIn(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  const { domain } = Object(entry) as { readonly domain?: unknown };
  return typeof domain === 'string' ? domain : undefined;
}
