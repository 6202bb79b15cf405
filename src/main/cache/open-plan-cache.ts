import type { Clock } from '../../shared/clock.ts';
import type { Domain } from '../../shared/domain.ts';
import type { Random } from '../../shared/random.ts';
import { domainIdentity } from '../../shared/signature.ts';
import type { ResolvedCache } from './cache-options.ts';
import { DecisionDisk, type RestoredDecision } from './disk/decision-disk.ts';
import { PlanCache } from './plan-cache.ts';

/** Of a record on disk: what its key and its bytes mean. */
const RECORD_VERSION = 1;

/** The cache as configured; with a disk tier, warm with what was written last. Undefined where there is to be none. */
export async function openPlanCache(
  { cache: options, domain }: { readonly cache: ResolvedCache | false; readonly domain: Domain },
  clock: Clock,
  random: Random,
  warn: (message: string) => void,
): Promise<PlanCache | undefined> {
  if (options === false) return undefined;
  const cache = new PlanCache(options, domain, clock, random);
  if (options.disk === false) return cache;
  // Loaded only where it is used: it brings native code.
  const { DiskTier } = await import('./disk/disk-tier.ts');
  const { path, bytesMax } = options.disk;
  // Places are measured by ranges and weights, which the key knows nothing of.
  const identity = `conclave ${RECORD_VERSION} ${domainIdentity(domain)} ${JSON.stringify(domain.features)}`;
  const tier = await DiskTier.open({ path, bytesMax, identity, clock, warn });
  const ttlMaxMs = options.ttl === 'adaptive' ? options.ttlMaxMs : options.ttlMs;
  const disk = new DecisionDisk(tier, clock, ttlMaxMs);
  const newestFirst: (readonly RestoredDecision[])[] = [];
  for await (const decisions of disk.newest(options.entries)) newestFirst.push(decisions);
  // The oldest first, so that the newest end as the ones used last.
  for (const chunk of newestFirst.reverse()) {
    for (const { signature, place, decision, expiresAtMs } of chunk.toReversed()) {
      cache.restore(signature, place, decision, expiresAtMs);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  cache.useDisk(disk);
  return cache;
}
