import { fillStore, inOrder, keyTexts, openReader, readStore, signStates } from '../contestants.ts';
import { fillLru, fillMap, heldEntries, readLru, readLruFresh, readMap, readMapFresh, textsInOrder } from '../peers.ts';
import { type Contestant, playRounds, ratioFigure, type Say, sayTimes, speedRatios, timesOf } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import { ownText, randomOrder } from '../states.ts';

/** One thread reads random keys: the store against a `Map` and against `lru-cache` with a TTL. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const entries = quick ? 4_000 : 100_000;
  const reads = quick ? 8_000 : 200_000;
  say(`reads: one thread, ${entries} entries, random keys`);
  const keys = signStates(entries);
  const texts = keyTexts(keys);
  const order = randomOrder(reads, entries, 1);
  const held = heldEntries(entries);
  const { buffer } = fillStore(keys);
  const reader = openReader(buffer);
  const ordered = inOrder(keys, order);
  const map = fillMap(texts, held);
  const lru = fillLru(texts, held);
  const same = textsInOrder(texts, order);
  const equal = textsInOrder(texts.map(ownText), order);
  const joined = ownText(same.join(''));
  const keyChars = same[0]?.length ?? 0;

  const contestant = (name: string, turn: () => number): Contestant => ({ name, operations: reads, turn });
  const times = await playRounds(
    [
      contestant('store', () => readStore(reader, ordered, 0, reads)),
      contestant('Map, the same key objects', () => readMap(map, same, 0, reads)),
      contestant('Map, equal keys', () => readMap(map, equal, 0, reads)),
      contestant('Map, keys made for the read', () => readMapFresh(map, joined, keyChars)),
      contestant('lru-cache, the same key objects', () => readLru(lru, same, 0, reads)),
      contestant('lru-cache, equal keys', () => readLru(lru, equal, 0, reads)),
      contestant('lru-cache, keys made for the read', () => readLruFresh(lru, joined, keyChars)),
    ],
    rounds,
    quick ? 1 : 4,
    say,
  );
  sayTimes(say, times);
  const against = (name: string): number =>
    ratioFigure(say, `speed of the store / ${name}`, speedRatios(timesOf(times, 'store'), timesOf(times, name)));
  return {
    readVsMap: against('Map, the same key objects'),
    readVsLruCache: against('lru-cache, the same key objects'),
    readVsMapEqualKeys: against('Map, equal keys'),
    readVsMapFreshKeys: against('Map, keys made for the read'),
    readVsLruCacheEqualKeys: against('lru-cache, equal keys'),
    readVsLruCacheFreshKeys: against('lru-cache, keys made for the read'),
  };
}
