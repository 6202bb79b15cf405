import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskTier, type DiskTierOptions, type DiskTierParts } from '../../../../../src/main/cache/disk/disk-tier.ts';
import { seededRandom } from '../../../../../src/shared/random.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

export interface Folder {
  readonly path: string;
  remove(): void;
}

export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'conclave-disk-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface OpenedTier {
  readonly tier: DiskTier;
  readonly clock: FakeClock;
  readonly warnings: string[];
}

export async function openTier(
  path: string,
  options: Partial<DiskTierOptions> = {},
  parts: DiskTierParts = {},
): Promise<OpenedTier> {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const tier = await DiskTier.open(
    { path, identity: 'test 1', clock, warn: (message) => warnings.push(message), ...options },
    { random: seededRandom(1), ...parts },
  );
  return { tier, clock, warnings };
}
