import type { Clock } from '../../shared/clock.ts';
import type { Domain } from '../../shared/domain.ts';
import type { Random } from '../../shared/random.ts';
import { domainIdentity } from '../../shared/signature.ts';
import type { ResolvedCache } from './cache-options.ts';
import { DecisionDisk } from './disk/decision-disk.ts';
import { PlanCache } from './plan-cache.ts';
import type { PanelAgreement } from './standing/tier-standing.ts';

/** Of a record on disk: what its key and its bytes mean. */
const RECORD_VERSION = 1;

/** The cache as configured; with a disk tier, it knows what was decided in earlier runs. Undefined where there is to be none. */
export async function openPlanCache(
  { cache: options, domain }: { readonly cache: ResolvedCache | false; readonly domain: Domain },
  clock: Clock,
  random: Random,
  warn: (message: string) => void,
  models?: PanelAgreement,
): Promise<PlanCache | undefined> {
  if (options === false) return undefined;
  const cache = new PlanCache(options, domain, clock, random, models);
  if (options.disk === false) return cache;
  // Loaded only where it is used: it brings native code.
  const { DiskTier } = await import('./disk/disk-tier.ts');
  const { path, bytesMax } = options.disk;
  // Places are measured by ranges and weights, which the key knows nothing of.
  const identity = `conclave ${RECORD_VERSION} ${domainIdentity(domain)} ${JSON.stringify(domain.features)}`;
  const tier = await DiskTier.open({ path, bytesMax, identity, clock, warn });
  const ttlMaxMs = options.ttl === 'adaptive' ? options.ttlMaxMs : options.ttlMs;
  const disk = new DecisionDisk(tier, clock, ttlMaxMs);
  cache.useDisk(disk).catch((error: unknown) => {
    warn(`decisions on disk could not all be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  return cache;
}
