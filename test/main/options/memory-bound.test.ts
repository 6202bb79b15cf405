import { expect, test, vi } from 'vitest';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { storeLayout } from '../../../src/shared/store/store-layout.ts';
import { testDomain } from '../../support/make-planner.ts';

const GIBIBYTE = 2 ** 30;

// The machine is the seam: how much memory it has is asked for when options are resolved.
vi.mock('node:os', async (original) => ({ ...(await original<typeof import('node:os')>()), totalmem: () => 2 ** 30 }));

function resolve(entries: number): unknown {
  const endpoints = { local: { baseURL: 'http://localhost:1234/v1' } };
  return resolveOptions({ domain: testDomain, endpoints, experts: [], cache: { entries } });
}

/** The largest store that takes at most so many bytes. */
function entriesWithin(bytes: number): number {
  let low = 1;
  let high = 4_000_000;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (storeLayout(middle).byteLength <= bytes) low = middle;
    else high = middle - 1;
  }
  return low;
}

test('a store may take four fifths of the memory, and not one entry more', () => {
  const entries = entriesWithin(0.8 * GIBIBYTE);
  expect(() => resolve(entries)).not.toThrow();
  const message = `cache.entries must fit into memory: ${entries + 1} take 820 MiB of 1,024 MiB`;
  expect(() => resolve(entries + 1)).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS_INVALID', message }));
});
