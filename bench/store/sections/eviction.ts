import { basename } from 'node:path';
import { LRUCache } from 'lru-cache';
import { openTrace } from '../../../src/main/session/trace-reader.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../../src/shared/signature.ts';
import { rounded } from '../../figures.ts';
import { StoreOfStream, type StreamReader } from '../contestants.ts';
import type { Say } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';

/** Which share of a stream of states is answered from memory, against an exact LRU of the same size. */
const SHARES = [0.01, 0.05, 0.2];
const ZIPF = { keys: 20_000, exponent: 0.9, requests: 200_000, seed: 7 } as const;

interface Stream {
  readonly name: string;
  /** The different signatures. */
  readonly keys: readonly Signature[];
  /** Which of them is asked for, in order. */
  readonly asked: readonly number[];
}

async function traceStream(file: string): Promise<Stream> {
  await using trace = await openTrace(file);
  const signer = new Signer(trace.domain);
  const numbers = new Map<string, number>();
  const keys: Signature[] = [];
  const asked: number[] = [];
  for await (const { request } of trace.records()) {
    const key = signer.sign(request.observation, request.actions, new Int32Array(SIGNATURE_WORDS));
    const text = signatureText(key);
    let number = numbers.get(text);
    if (number === undefined) {
      number = keys.push(key) - 1;
      numbers.set(text, number);
    }
    asked.push(number);
  }
  return { name: basename(file), keys, asked };
}

function zipfStream(requests: number): Stream {
  const random = seededRandom(ZIPF.seed);
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= ZIPF.keys; rank++) {
    sum += 1 / rank ** ZIPF.exponent;
    sums.push(sum);
  }
  const drawn = Array.from({ length: requests }, () => lowerBound(sums, random.next() * sum));
  // Numbered anew in the order of appearance, so that shares are of the keys that occur.
  const numbers = new Map<number, number>();
  const asked = drawn.map((rank) => {
    if (!numbers.has(rank)) numbers.set(rank, numbers.size);
    return numbers.get(rank) as number;
  });
  const word = (): number => Math.floor(random.next() * 2 ** 32) | 0;
  const keys = Array.from({ length: numbers.size }, () => Int32Array.of(word(), word(), word(), word()));
  return { name: `Zipf ${ZIPF.exponent}`, keys, asked };
}

function lowerBound(sums: readonly number[], value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function hitShare({ keys, asked }: Stream, entries: number, readBy: StreamReader): number {
  const store = new StoreOfStream(entries, readBy);
  let hits = 0;
  for (const number of asked) if (store.ask(keys[number] as Signature)) hits++;
  return hits / asked.length;
}

function lruHitShare({ asked }: Stream, entries: number): number {
  const lru = new LRUCache<number, true>({ max: entries });
  let hits = 0;
  for (const number of asked) {
    if (lru.get(number) !== undefined) hits++;
    else lru.set(number, true);
  }
  return hits / asked.length;
}

export async function run({ quick, traces }: Settings, say: Say): Promise<Figures> {
  say('eviction: share of hits, against lru-cache of the same size');
  const streams = [...(await Promise.all(traces.map(traceStream))), zipfStream(quick ? 20_000 : ZIPF.requests)];
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const worst = { coordinator: Number.NEGATIVE_INFINITY, 'another reader': Number.NEGATIVE_INFINITY };
  for (const stream of streams) {
    for (const share of SHARES) {
      const entries = Math.max(1, Math.round(stream.keys.length * share));
      const lru = lruHitShare(stream, entries);
      const hits = { coordinator: 0, 'another reader': 0 };
      for (const readBy of ['coordinator', 'another reader'] as const) {
        hits[readBy] = hitShare(stream, entries, readBy);
        worst[readBy] = Math.max(worst[readBy], (lru - hits[readBy]) * 100);
      }
      const ours = `read by the coordinator ${percent(hits.coordinator)}, by another reader ${percent(hits['another reader'])}`;
      say(`  ${stream.name}, ${entries} of ${stream.keys.length} keys: lru-cache ${percent(lru)}, ${ours}`);
    }
  }
  return {
    evictionWorstPoints: rounded(worst.coordinator),
    evictionWorstPointsOtherReader: rounded(worst['another reader']),
  };
}
