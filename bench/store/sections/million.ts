import { setImmediate as nextTurn } from 'node:timers/promises';
import { DecisionMemory } from '../../../src/main/cache/decision-memory.ts';
import { skyrim } from '../../../src/main/index.ts';
import { Placer } from '../../../src/shared/place.ts';
import { SIGNATURE_WORDS, Signer } from '../../../src/shared/signature.ts';
import { rounded } from '../../figures.ts';
import { fillStore, inOrder, keyTexts, NOW_MS, openReader, readStore, signStates } from '../contestants.ts';
import { fillLru, heldEntries, readLru, textsInOrder } from '../peers.ts';
import { type Contestant, playRounds, ratioFigure, type Say, sayTimes, speedRatios, timesOf } from '../rounds.ts';
import { type Figures, lackOfMemory, type Settings } from '../section.ts';
import { decisionOf, States } from '../states.ts';
import { slicedOrder } from './growth.ts';

const BYTES_MAX = 4_000_000_000;

/** A million entries: random reads beside `lru-cache`, which holds its own entries here, and how long a clear blocks. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const lack = quick ? undefined : lackOfMemory(BYTES_MAX);
  if (lack !== undefined) {
    say(`million: left out: ${lack}`);
    return {};
  }
  const entries = quick ? 10_000 : 1_000_000;
  say(`million: ${entries} entries, random keys`);
  return { ...(await readBesideLru(entries, quick, rounds, say)), ...(await clearMemory(entries, say)) };
}

async function readBesideLru(entries: number, quick: boolean, rounds: number, say: Say): Promise<Figures> {
  const reads = quick ? 8_000 : 200_000;
  const keys = signStates(entries);
  const texts = keyTexts(keys);
  const lru = fillLru(texts, heldEntries(entries));
  const reader = openReader(fillStore(keys).buffer);
  const { order, nextSlice } = slicedOrder(entries, reads);
  const lruSlices = slicedOrder(entries, reads);
  const ordered = inOrder(keys, order);
  const orderedTexts = textsInOrder(texts, order);
  const contestant = (name: string, read: () => number): Contestant => ({ name, operations: reads, turn: read });
  // As many rounds before as it takes to ask for nearly all of them, since a reader decodes what it is first asked for.
  const warmUpRounds = Math.ceil((3 * entries) / reads);
  const times = await playRounds(
    [
      contestant('store', () => {
        const from = nextSlice();
        return readStore(reader, ordered, from, from + reads);
      }),
      contestant('lru-cache', () => {
        const from = lruSlices.nextSlice();
        return readLru(lru, orderedTexts, from, from + reads);
      }),
    ],
    rounds,
    warmUpRounds,
    say,
  );
  sayTimes(say, times);
  const ratios = speedRatios(timesOf(times, 'store'), timesOf(times, 'lru-cache'));
  return { readAtMillionVsLruCache: ratioFigure(say, 'speed of the store / lru-cache', ratios) };
}

async function clearMemory(entries: number, say: Say): Promise<Figures> {
  const signer = new Signer(skyrim);
  const memory = new DecisionMemory(
    { entries, similar: { distanceMax: 0.1, confirmedMax: 0 } },
    new Placer(skyrim, signer),
  );
  const states = new States();
  for (let i = 0; i < entries; i++) {
    const request = states.at(i);
    const signature = signer.sign(request.observation, request.actions, new Int32Array(SIGNATURE_WORDS));
    memory.remember(request, signature, `scene ${i % 10}`, decisionOf(i), Number.POSITIVE_INFINITY);
    if (i % 1_000 === 0) memory.peek(signature, NOW_MS);
  }
  await nextTurn();
  const startedAtMs = performance.now();
  memory.clear();
  const turnsMs = [performance.now() - startedAtMs];
  for (let turn = 0; turn < entries / 50; turn++) {
    const turnAtMs = performance.now();
    await nextTurn();
    turnsMs.push(performance.now() - turnAtMs);
  }
  const sorted = turnsMs.toSorted((a, b) => a - b);
  const p99 = sorted[Math.floor(0.99 * sorted.length)] as number;
  const longest = sorted.at(-1) as number;
  say(
    `  a clear returns after ${turnsMs[0]?.toFixed(2)} ms; its turns take ${p99.toFixed(2)} ms (p99), ${longest.toFixed(2)} ms at most`,
  );
  return { clearMs: rounded(turnsMs[0] as number), clearTurnP99Ms: rounded(p99), clearTurnMaxMs: rounded(longest) };
}
