/**
 * A process that uses a disk tier, for tests that kill it or damage its file. It prints what it has done, a line each.
 *
 *   write PATH SEED KEYS       writes at full speed for ever; prints `flushed N`: versions below N are on disk
 *   share PATH FIRST COUNT     writes versions FIRST ... of shared keys, reading meanwhile, then prints what it read
 *   visit PATH ...             opens each file, reads everything, writes, prints a line of JSON for each
 *   fill PATH                  writes until the tier goes off, tries again twice, prints a line of JSON
 */
import assert from 'node:assert/strict';
import { DiskTier } from '../../../../../src/main/cache/disk/disk-tier.ts';
import { systemClock } from '../../../../../src/shared/clock.ts';
import type { PlannerError } from '../../../../../src/shared/errors.ts';
import { randomIndex, seededRandom } from '../../../../../src/shared/random.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import { keyOf, readRecord, recordValue } from './records.ts';

export const IDENTITY = 'disk process 1';
const SHARED_KEYS = 300;

const [job, path = '', ...rest] = process.argv.slice(2);
switch (job) {
  case 'write':
    await writeForEver(Number(rest[0]), Number(rest[1]));
    break;
  case 'share':
    await share(Number(rest[0]), Number(rest[1]));
    break;
  case 'visit':
    for (const each of [path, ...rest]) await visit(each);
    break;
  case 'fill':
    await fill();
    break;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function writeForEver(seed: number, keys: number): Promise<void> {
  const random = seededRandom(seed);
  const tier = await DiskTier.open({ path, bytesMax: 2 ** 20, identity: IDENTITY, clock: systemClock, warn: say });
  say('open');
  for (let version = seed * 1_000_000; ; ) {
    const until = version + 1 + randomIndex(random, 300);
    for (; version < until; version++) {
      tier.put(keyOf(version % keys), recordValue(version % keys, version), Number.POSITIVE_INFINITY);
    }
    await tier.flush();
    say(`flushed ${version}`);
  }
}

async function share(first: number, count: number): Promise<void> {
  const tier = await DiskTier.open({ path, bytesMax: 2 ** 20, identity: IDENTITY, clock: systemClock, warn: say });
  let reads = 0;
  const others = new Set<number>();
  for (let version = first; version < first + count; version++) {
    const number = version % SHARED_KEYS;
    tier.put(keyOf(number), recordValue(number, version), Number.POSITIVE_INFINITY);
    if (version % 40 !== 0) continue;
    await tier.flush();
    for (const record of tier.newest(SHARED_KEYS)) {
      reads++;
      const seen = readRecord(record).version;
      if (seen < first || seen >= first + count) others.add(seen);
    }
  }
  await tier.flush();
  const { written, damaged, state, entries, bytes, dropped } = tier.stats();
  await tier.close();
  say(JSON.stringify({ reads, others: others.size, written, damaged, state, entries, bytes, dropped }));
}

async function visit(file: string): Promise<void> {
  const warnings: string[] = [];
  const clock = new FakeClock();
  const warn = (message: string): void => void warnings.push(message);
  let tier: DiskTier;
  try {
    tier = await DiskTier.open({ path: file, bytesMax: 2 ** 20, identity: IDENTITY, clock, warn });
  } catch (error) {
    const { code, message } = error as PlannerError;
    assert.equal(code, 'ERR_OPTIONS_INVALID');
    return say(JSON.stringify({ served: 0, state: 'refused', damaged: 0, warnings: [message] }));
  }
  let served = 0;
  for (const record of tier.newest(100_000)) {
    readRecord(record);
    served++;
  }
  for (let number = 0; number < 200; number++) {
    const record = tier.get(keyOf(number));
    if (record !== undefined) assert.equal(readRecord(record).number, number);
  }
  for (let number = 0; number < 600; number++) {
    tier.put(keyOf(number), recordValue(number, 1), 0);
    if (number % 200 === 0) await tier.flush();
  }
  for (let number = 0; number < 100; number++) tier.remove(keyOf(number));
  await tier.flush();
  const { state, damaged } = tier.stats();
  await tier.close();
  say(JSON.stringify({ served, state, damaged, warnings }));
}

async function fill(): Promise<void> {
  const warnings: string[] = [];
  const clock = new FakeClock();
  const warn = (message: string): void => void warnings.push(message);
  const tier = await DiskTier.open({ path, identity: IDENTITY, clock, warn });
  let number = 0;
  for (; tier.stats().state === 'on' && number < 20_000; number++) {
    tier.put(keyOf(number), recordValue(number, 0), 0);
    if (number % 100 === 0) await tier.flush();
  }
  const { written } = tier.stats();
  const states = [];
  for (const delayMs of [1_000, 2_000]) {
    clock.advance(delayMs);
    const servedInTrial = written > 0 && tier.get(keyOf(0)) !== undefined;
    for (let i = 0; i < 1_000; i++) tier.put(keyOf(number + i), recordValue(number + i, 0), 0);
    await tier.flush();
    states.push({ state: tier.stats().state, servedInTrial });
  }
  await tier.close();
  say(JSON.stringify({ written, states, warnings }));
}
