import { median, rounded } from '../../figures.ts';
import { fillStore, inOrder, openReader, RequestReader, readStore, signStates } from '../contestants.ts';
import { type Contestant, playRounds, type Say, sayTimes, type Times, timesOf } from '../rounds.ts';
import { type Figures, lackOfMemory, type Settings } from '../section.ts';
import { randomOrder } from '../states.ts';

export const SIZES = [200, 10_000, 1_000_000] as const;
const QUICK_SIZES = [200, 2_000] as const;
const BYTES_MAX = 1_500_000_000;

/** The sizes to compare; without the largest where memory is short. */
export function sizesFor(quick: boolean, bytes: number, say: Say): readonly number[] {
  const lack = quick ? undefined : lackOfMemory(bytes);
  if (lack !== undefined) say(`  1,000,000 entries are left out: ${lack}`);
  if (quick) return QUICK_SIZES;
  return lack === undefined ? SIZES : SIZES.slice(0, -1);
}

/** An order over `size` entries that is read in slices of `reads`, round after round, so that all of them have a turn. */
export function slicedOrder(size: number, reads: number): { order: Int32Array; nextSlice: () => number } {
  const slices = Math.max(1, Math.ceil((2 * size) / reads));
  let slice = 0;
  const nextSlice = (): number => (slice++ % slices) * reads;
  return { order: randomOrder(slices * reads, size, 1), nextSlice };
}

/** Cost at the largest size over cost at the smallest, by round. */
export function growthOf(times: readonly Times[], nameAt: (size: number) => string, sizes: readonly number[]): number {
  const smallest = timesOf(times, nameAt(sizes[0] as number)).ns;
  const largest = timesOf(times, nameAt(sizes.at(-1) as number)).ns;
  return rounded(median(largest.map((ns, round) => ns / (smallest[round] as number))));
}

/** What a read of the store costs at 200, 10,000 and 1,000,000 entries, from the signature and from the request. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const reads = quick ? 8_000 : 200_000;
  say('growth: cost of a read by the number of entries, the store');
  const sizes = sizesFor(quick, BYTES_MAX, say);
  const contestants: Contestant[] = [];
  for (const size of sizes) {
    const keys = signStates(size);
    const { buffer } = fillStore(keys);
    const reader = openReader(buffer);
    const requestReader = new RequestReader(buffer);
    const { order, nextSlice } = slicedOrder(size, reads);
    const requested = slicedOrder(size, reads / 4);
    const ordered = inOrder(keys, order);
    contestants.push(
      {
        name: `lookup, ${size} entries`,
        operations: reads,
        turn: () => {
          const from = nextSlice();
          return readStore(reader, ordered, from, from + reads);
        },
      },
      {
        name: `from the request, ${size} entries`,
        operations: reads / 4,
        turn: () => {
          const from = requested.nextSlice();
          return requestReader.read(requested.order, from, from + reads / 4);
        },
      },
    );
  }
  const times = await playRounds(contestants, rounds, quick ? 1 : 4, say);
  sayTimes(say, times);
  const nsAt = (size: number): number => rounded(median(timesOf(times, `lookup, ${size} entries`).ns));
  const figures = {
    growth: growthOf(times, (size) => `lookup, ${size} entries`, sizes),
    growthFromRequest: growthOf(times, (size) => `from the request, ${size} entries`, sizes),
  };
  say(`  growth ${figures.growth}, from the request ${figures.growthFromRequest}`);
  return { ...figures, ...Object.fromEntries(sizes.map((size) => [`readNs${size}`, nsAt(size)])) };
}
