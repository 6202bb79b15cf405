import { rounded } from '../../figures.ts';
import { fillStore, signStates } from '../contestants.ts';
import type { Say } from '../rounds.ts';
import { type Figures, lackOfMemory, type Settings } from '../section.ts';

const BYTES_MAX = 1_200_000_000;

/** Memory of a full store by entry: the shared buffer, and what its writer keeps in arrays of its own. */
export async function run({ quick }: Settings, say: Say): Promise<Figures> {
  const lack = lackOfMemory(BYTES_MAX);
  if (lack !== undefined && !quick) say(`  1,000,000 entries are too many here: ${lack}`);
  const entries = quick ? 10_000 : lack === undefined ? 1_000_000 : 100_000;
  say(`size: ${entries} entries`);
  const keys = signStates(entries);
  globalThis.gc?.();
  const before = process.memoryUsage();
  const store = fillStore(keys);
  globalThis.gc?.();
  const after = process.memoryUsage();
  // Counts shared buffers too.
  const bytes = (after.arrayBuffers - before.arrayBuffers) / entries;
  const heapBytes = (after.heapUsed - before.heapUsed) / entries;
  const shared = store.buffer.byteLength / entries;
  say(`  ${bytes.toFixed(1)} bytes an entry, ${shared.toFixed(1)} of them shared; ${heapBytes.toFixed(1)} on the heap`);
  say(`  ${store.cut} of ${entries} decisions were cut; the writer holds ${store.writer.size}`);
  return { bytesPerEntry: rounded(bytes), heapBytesPerEntry: rounded(heapBytes), decisionsCut: store.cut };
}
