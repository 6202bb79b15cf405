import { expect, test } from 'vitest';
import { forkRandom, pick } from '../../src/shared/random.ts';
import { type Entrance, mutated, type Row } from '../support/doors/door.ts';
import { apart, HeldUp } from '../support/doors/held-up.ts';
import { type Doors, openDoors } from '../support/doors/open-doors.ts';
import type { SocketUnderLoad } from '../support/make-socket-load.ts';
import { REQUEST } from '../support/rows/plan-rows.ts';

/**
 * Inputs mutated from the rows of all tables, at every door at once, and the largest right one of each, while a second client asks for
 * plans. `FUZZ_INPUTS` makes the long run (100,000 of them, on a quiet machine), which also has bounds on how long the event loop
 * is held up. `FUZZ_SEED` replays a run. What tests and model servers do here holds up the same loop.
 */
const INPUTS = Number(process.env.FUZZ_INPUTS ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 2_026);
const IS_LONG = process.env.FUZZ_INPUTS !== undefined;
const HELD_UP_MS_MAX = Number(process.env.FUZZ_HELD_UP_MS ?? (IS_LONG ? 250 : Infinity));
/** Of the largest inputs. */
const LARGEST_HELD_UP_MS_MAX = Number(process.env.FUZZ_LARGEST_HELD_UP_MS ?? Infinity);
const AT_ONCE = 8;
const TOLD_EVERY = 10_000;

/** Asks for plans until it is over. */
async function bystand({ planner }: SocketUnderLoad, isOver: () => boolean): Promise<number> {
  let nth = 0;
  for (; !isOver(); nth++) {
    const agent = `beside ${nth}`;
    expect(await planner.plan({ ...REQUEST, agent })).toMatchObject({ agent });
    await new Promise(setImmediate);
  }
  return nth;
}

/** Tells the longest hold since the last one, and returns it. */
function told(what: string, loop: HeldUp): number {
  const { ms, during } = loop.take();
  if (IS_LONG) console.info(`FUZZ_SEED=${SEED}: ${what}: held up ${ms.toFixed(1)} ms at most, by ${during.join(', ')}`);
  return ms;
}

async function enter({ bytes, door }: Row, what: string, loop: HeldUp): Promise<void> {
  const named = `${what} (${bytes.length} bytes)`;
  loop.underWay.add(named);
  try {
    await door(bytes);
  } catch (cause) {
    const shown = JSON.stringify(bytes.subarray(0, 2_000).toString('latin1'));
    throw new Error(`${what} of FUZZ_SEED=${SEED}: ${shown}`, { cause });
  } finally {
    // What it leaves behind for the turn after its answer is its own.
    setImmediate(() => loop.underWay.delete(named));
  }
}

async function enterMutated(doors: Doors, loop: HeldUp): Promise<number> {
  const names = Object.keys(doors.each);
  let longestMs = 0;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < INPUTS) {
      const index = next++;
      const name = names[index % names.length] as string;
      const random = forkRandom(SEED, `input ${index}`);
      const { bytes, door } = pick(random, (doors.each[name] as Entrance).rows);
      await enter({ bytes: apart(() => mutated(random, bytes)), door }, `input ${index} at ${name}`, loop);
      if (index % 100 === 0) doors.forget();
      if (index % TOLD_EVERY === 0) longestMs = Math.max(longestMs, told(`${index} inputs`, loop));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return Math.max(longestMs, told(`${INPUTS} inputs`, loop));
}

async function enterLargest(doors: Doors, loop: HeldUp): Promise<number> {
  let longestMs = 0;
  for (const [name, entrance] of Object.entries(doors.each)) {
    for (const [what, row] of Object.entries(entrance.largest)) {
      loop.take();
      await enter(row, `${what}, the largest at ${name}`, loop);
      longestMs = Math.max(longestMs, told(`${what}, the largest at ${name}`, loop));
    }
  }
  return longestMs;
}

test(`${INPUTS} mutated inputs, and the largest, at every door hold nobody up (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + 20 * INPUTS,
}, async () => {
  await using doors = await openDoors(AT_ONCE);
  using loop = new HeldUp();
  let isOver = false;
  const bystander = bystand(doors.at, () => isOver);
  let heldUpMs: readonly [mutated: number, largest: number] = [0, 0];
  try {
    heldUpMs = [await enterMutated(doors, loop), await enterLargest(doors, loop)];
    for (const door of doors.lineDoors) await door.finish();
  } finally {
    isOver = true;
  }
  expect(await bystander).toBeGreaterThan(0);
  const cuts = doors.lineDoors.reduce((sum, door) => sum + door.cuts, 0);
  if (IS_LONG) console.info(`FUZZ_SEED=${SEED}: held up ${heldUpMs[0].toFixed(1)} ms at most, ${cuts} connections cut`);
  expect(cuts).toBeLessThanOrEqual(INPUTS / 100);
  expect(heldUpMs[0]).toBeLessThan(HELD_UP_MS_MAX);
  expect(heldUpMs[1]).toBeLessThan(LARGEST_HELD_UP_MS_MAX);
  expect((await doors.at.planner.plan({ ...REQUEST, agent: 'last' })).agent).toBe('last');
});
