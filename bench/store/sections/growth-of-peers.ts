import { keyTexts, signStates } from '../contestants.ts';
import { fillLru, fillMap, heldEntries, readLru, readMap, textsInOrder } from '../peers.ts';
import { type Contestant, playRounds, type Say, sayTimes } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import { growthOf, sizesFor, slicedOrder } from './growth.ts';

const BYTES_MAX = 2_500_000_000;

/** The same growth of a `Map` and of `lru-cache`, which share their entries and keys here. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const reads = quick ? 8_000 : 200_000;
  say('growth-of-peers: cost of a read by the number of entries, Map and lru-cache');
  const sizes = sizesFor(quick, BYTES_MAX, say);
  const contestants: Contestant[] = [];
  for (const size of sizes) {
    const texts = keyTexts(signStates(size));
    const held = heldEntries(size);
    const map = fillMap(texts, held);
    const lru = fillLru(texts, held);
    const { order, nextSlice } = slicedOrder(size, reads);
    const ordered = textsInOrder(texts, order);
    const contestant = (name: string, read: (from: number) => number): Contestant => ({
      name: `${name}, ${size} entries`,
      operations: reads,
      turn: () => read(nextSlice()),
    });
    contestants.push(
      contestant('Map', (from) => readMap(map, ordered, from, from + reads)),
      contestant('lru-cache', (from) => readLru(lru, ordered, from, from + reads)),
    );
  }
  const times = await playRounds(contestants, rounds, quick ? 1 : 4, say);
  sayTimes(say, times);
  const figures = {
    mapGrowth: growthOf(times, (size) => `Map, ${size} entries`, sizes),
    lruCacheGrowth: growthOf(times, (size) => `lru-cache, ${size} entries`, sizes),
  };
  say(`  growth of Map ${figures.mapGrowth}, of lru-cache ${figures.lruCacheGrowth}`);
  return figures;
}
