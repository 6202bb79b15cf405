import type { Clock } from '../../shared/clock.ts';
import type { Domain } from '../../shared/domain.ts';
import type { Random } from '../../shared/random.ts';
import { ServingRulesWriter } from '../../shared/store/serving-rules.ts';
import { type ResolvedCache, ttlMaxOf } from './cache-options.ts';
import { DecisionStore } from './decision-store.ts';
import { DecisionDisk } from './disk/decision-disk.ts';
import { recordIdentity } from './disk/decision-record.ts';
import { LearnedFile } from './learned/learned-file.ts';
import { PlanCache, type SharedStore } from './plan-cache.ts';
import type { PanelAgreement } from './standing/tier-standing.ts';

/** Added to the path of the decisions. */
const EVIDENCE_SUFFIX = '.evidence.json';

/** Opens the configured cache, with the decisions and the evidence of earlier runs if it has a disk tier. Undefined if the cache is off. */
export async function openPlanCache(
  { cache: options, domain }: { readonly cache: ResolvedCache | false; readonly domain: Domain },
  clock: Clock,
  random: Random,
  warn: (message: string) => void,
  models?: PanelAgreement,
  shared?: SharedStore,
): Promise<PlanCache | undefined> {
  if (options === false) return undefined;
  const cache = new PlanCache(options, domain, clock, random, models, shared);
  if (options.disk === false) return cache;
  // Loaded only if used, because it brings native code.
  const { DiskTier } = await import('./disk/disk-tier.ts');
  const { path, bytesMax } = options.disk;
  const identity = recordIdentity(domain);
  // First the decisions: what is not theirs at the path is refused, and nothing is written beside it.
  const tier = await DiskTier.open({ path, bytesMax, identity, clock, warn });
  const evidence = { path: `${path}${ownSuffix(domain)}${EVIDENCE_SUFFIX}`, identity, clock, warn };
  cache.useLearned(await LearnedFile.open(evidence, cache.learnedParts()));
  const disk = new DecisionDisk(tier, clock, ttlMaxOf(options));
  cache.useDisk(disk).catch((error: unknown) => {
    warn(`decisions on disk could not all be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  return cache;
}

/** Part of the names of files that a domain of several does not share with the others. */
function ownSuffix({ scope }: Domain): string {
  return scope === undefined ? '' : `.${encodeURIComponent(scope.slice(0, scope.lastIndexOf(' ')))}`;
}

/** Opens the store that these caches share. Undefined if none is used, or only one. */
export function openSharedStore(caches: readonly (ResolvedCache | false)[]): SharedStore | undefined {
  const used = caches.filter((cache) => cache !== false);
  const [first] = used;
  if (first === undefined || caches.length === 1) return undefined;
  const store = new DecisionStore(first.entries, caches.length);
  // Other readers are told the strictest rule. Budgets are told by each domain.
  const valuesMin = Math.max(...used.map((cache) => cache.valuesMin || 0));
  const isStrict = used.some((cache) => cache.valuesMin !== false);
  const rules = new ServingRulesWriter(store.writer.buffer, { hasBudget: false, valuesMin: isStrict && valuesMin });
  return { store, rules };
}
