import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LatencyProfile, type SavedProfile } from '../../../../src/main/models/time/latency-profile.ts';
import { openProfileFile, type ProfileFile, profileKey } from '../../../../src/main/models/time/profile-file.ts';
import {
  PROFILE_BYTES_MAX,
  PROFILE_FORMAT,
  PROFILES_MAX,
  type ProfileEntry,
  parseEntries,
  profilesText,
} from '../../../../src/main/models/time/profile-text.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const CHILD = fileURLToPath(new URL('support/profile-process.ts', import.meta.url));
const WRITE_EVERY_MS = 30_000;

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-profiles-'));
  path = join(folder, 'profiles.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function profileOf(totalMs: number): SavedProfile {
  const profile = new LatencyProfile();
  for (let call = 0; call < 50; call++) profile.answered({ queueMs: 1, firstTokenMs: 30, totalMs }, false);
  return profile.save();
}

const QUICK = profileOf(200);
const SLOW = profileOf(9_000);

interface Opened {
  readonly file: ProfileFile;
  readonly clock: FakeClock;
  readonly warnings: string[];
}

async function open(at = path): Promise<Opened> {
  const clock = new FakeClock();
  const warnings: string[] = [];
  return { file: await openProfileFile(at, clock, (message) => warnings.push(message)), clock, warnings };
}

/** What a new start finds. */
async function found(): Promise<Record<string, SavedProfile>> {
  const { file, warnings } = await open();
  expect(warnings).toEqual([]);
  return Object.fromEntries(file.saved);
}

/** Entries that tell when they are read: each write reads them once. */
class Told {
  reads = 0;
  readonly #entries: readonly ProfileEntry[];
  constructor(...entries: readonly ProfileEntry[]) {
    this.#entries = entries;
  }
  *[Symbol.iterator](): Generator<ProfileEntry> {
    this.reads++;
    yield* this.#entries;
  }
}

/** Waits until a file is there that was not. Bounded by the test's timeout. */
async function written(before: number | undefined): Promise<void> {
  while (statSync(path, { throwIfNoEntry: false })?.ino === before) await new Promise((next) => setImmediate(next));
}

describe('profiles', () => {
  test('are there after a restart', async () => {
    const key = profileKey('http://127.0.0.1:1234/v1', 'qwen "3"\n', 'vision');
    expect(JSON.parse(key)).toEqual(['http://127.0.0.1:1234/v1', 'qwen "3"\n', 'vision']);
    const { file, clock, warnings } = await open();
    expect(file.saved.size).toBe(0);
    await file.close([[key, QUICK]]);
    expect(await found()).toEqual({ [key]: QUICK });
    expect([warnings, clock.pendingTimers, readdirSync(folder)]).toEqual([[], 0, ['profiles.json']]);
  });

  test('are saved without the key in the address of their server, each server apart', () => {
    const keys = ['first', 'second'].map((key) => profileKey(`http://me:${key}@host:1/v1?key=${key}`, 'm', 'text'));
    expect(keys.join()).not.toMatch(/first|second|me:/);
    expect(keys[0]).toMatch(/^\["http:\/\/[^"]*host:1\/v1\?key=[^"]* [0-9a-f]{16}","m","text"\]$/);
    expect(new Set(keys).size).toBe(2);
  });

  test('of models that were not asked since are kept', async () => {
    await (await open()).file.close([
      ['a', QUICK],
      ['b', QUICK],
    ]);
    await (await open()).file.close([
      ['b', SLOW],
      ['c', SLOW],
    ]);
    expect(await found()).toEqual({ a: QUICK, b: SLOW, c: SLOW });
  });

  test('are a thousand at most: the oldest go', async () => {
    const keys = Array.from({ length: PROFILES_MAX }, (_, i) => `key ${i}`);
    await (await open()).file.close(keys.map((key) => [key, QUICK]));
    expect(Object.keys(await found())).toEqual(keys);
    // The first is used again, two are new: the second and the third are the oldest.
    await (await open()).file.close([
      ['key 0', SLOW],
      ['new 1', SLOW],
      ['new 2', SLOW],
    ]);
    expect(Object.keys(await found())).toEqual([...keys.slice(3), 'key 0', 'new 1', 'new 2']);
  });

  test('are five megabytes at most, however large each is: the oldest go', async () => {
    const keys = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(1_000_000));
    await (await open()).file.close(keys.map((key) => [key, QUICK]));
    expect(statSync(path).size).toBeLessThanOrEqual(PROFILE_BYTES_MAX);
    expect(Object.keys(await found()).map((key) => key[0])).toEqual(['6', '7', '8', '9']);
  });

  test('are written into a folder that is not there yet', async () => {
    path = join(folder, 'a', 'b', 'profiles.json');
    await (await open()).file.close([['a', QUICK]]);
    expect(await found()).toEqual({ a: QUICK });
  });
});

describe('writing', () => {
  test('is once in thirty seconds, whatever is told, and of the last that was told', async () => {
    const { file, clock } = await open();
    const first = new Told(['a', QUICK]);
    const last = new Told(['a', SLOW]);
    file.save(first);
    clock.advance(WRITE_EVERY_MS - 1);
    file.save(last);
    expect([first.reads, last.reads, clock.pendingTimers]).toEqual([0, 0, 1]);
    clock.advance(1);
    expect([first.reads, last.reads, clock.pendingTimers]).toEqual([0, 1, 0]);
    await written(undefined);
    expect(await found()).toEqual({ a: SLOW });
    await file.close([]);
  });

  test('is not done where nothing was told', async () => {
    const { clock } = await open();
    clock.advance(10 * WRITE_EVERY_MS);
    expect([clock.pendingTimers, readdirSync(folder)]).toEqual([0, []]);
  });

  // Schedule: a write is running when the next is told; it begins thirty seconds after the first began.
  test('waits for a write that is running, and for its time', async () => {
    const { file, clock } = await open();
    file.save([['a', QUICK]]);
    clock.advance(WRITE_EVERY_MS);
    const next = new Told(['b', SLOW]);
    file.save(next);
    clock.advance(WRITE_EVERY_MS);
    expect(next.reads).toBe(0);
    await written(undefined);
    const { ino } = statSync(path);
    while (clock.pendingTimers === 0) await new Promise((turn) => setImmediate(turn));
    expect(next.reads).toBe(0);
    clock.advance(0);
    expect(next.reads).toBe(1);
    await written(ino);
    expect(await found()).toEqual({ a: QUICK, b: SLOW });
    const later = new Told(['c', SLOW]);
    file.save(later);
    while (clock.pendingTimers === 0) await new Promise((turn) => setImmediate(turn));
    clock.advance(WRITE_EVERY_MS - 1);
    expect(later.reads).toBe(0);
    clock.advance(1);
    expect(later.reads).toBe(1);
    await file.close([]);
  });

  test('is done a last time by close, after a write that is running, and never again', async () => {
    const { file, clock } = await open();
    const running = new Told(['a', QUICK]);
    const waiting = new Told(['b', QUICK]);
    file.save(running);
    clock.advance(WRITE_EVERY_MS);
    file.save(waiting);
    const last = new Told(['a', SLOW]);
    const closed = file.close(last);
    expect([running.reads, last.reads]).toEqual([1, 0]);
    expect(file.close(new Told(['d', QUICK]))).toBe(closed);
    await closed;
    const late = new Told(['e', QUICK]);
    file.save(late);
    expect(clock.pendingTimers).toBe(0);
    clock.advance(10 * WRITE_EVERY_MS);
    expect([running.reads, waiting.reads, last.reads, late.reads]).toEqual([1, 0, 1, 0]);
    expect(await found()).toEqual({ a: SLOW });
    expect(readdirSync(folder)).toEqual(['profiles.json']);
  });

  test('leaves no timer when closed before its time', async () => {
    const { file, clock } = await open();
    file.save([['a', QUICK]]);
    await file.close([['a', QUICK]]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('what is no file of profiles', () => {
  const sound = profilesText([JSON.stringify(['a', QUICK])]);
  const other = sound.replace('"version":1', '"version":2');
  const damages: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['nothing', '', /holds something else/],
    ['text', 'hello\nworld\n', /holds something else/],
    ['other JSON', '{"version":1}\n', /holds something else/],
    ['null', 'null\n[]\n', /holds something else/],
    ['bytes', Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * 131) % 256)), /holds something else/],
    ['another version', other, /version 2, not 1/],
    ['its first line alone', `${sound.split('\n')[0]}\n`, /is damaged/],
    ['one cut short', sound.slice(0, -10), /is damaged/],
    ['one with another digit', sound.replace(/(.*\n.*)1/s, '$12'), /is damaged/],
    ['too large', Buffer.alloc(PROFILE_BYTES_MAX + 1, ' '), /larger than 5000000 bytes/],
  ];
  test.each(damages)('is set aside and begun anew: %s', async (_, content, reason) => {
    writeFileSync(path, content);
    const { file, warnings } = await open();
    expect(file.saved.size).toBe(0);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/set aside as .*profiles\.json\.damaged-\d+ and begun anew/);
    expect(warnings[0]).toMatch(reason);
    await file.close([['b', SLOW]]);
    expect(await found()).toEqual({ b: SLOW });
    const [aside] = readdirSync(folder).filter((name) => name.includes('damaged'));
    expect(readFileSync(join(folder, aside as string)).equals(Buffer.from(content))).toBe(true);
  });

  test('is set aside where it is a folder', async () => {
    mkdirSync(path);
    writeFileSync(join(path, 'precious'), 'yes');
    const { file, warnings } = await open();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/it is not a file/);
    await file.close([['a', QUICK]]);
    expect(await found()).toEqual({ a: QUICK });
    const [aside] = readdirSync(folder).filter((name) => name.includes('damaged'));
    expect(readdirSync(join(folder, aside as string))).toEqual(['precious']);
  });

  test('is found at every place where a file may end', () => {
    for (let end = 0; end < sound.length - 1; end++) {
      expect(typeof parseEntries(sound.slice(0, end), PROFILE_FORMAT), `cut at ${end}`).toBe('string');
    }
    expect(parseEntries(sound, PROFILE_FORMAT)).toEqual([['a', QUICK]]);
    expect(parseEntries(profilesText([]), PROFILE_FORMAT)).toEqual([]);
  });

  test.each([
    ['{}'],
    ['["a",[]]'],
    ['["a",{"queue":[]}]'],
    ['["a",null]'],
    ['[1,{}]'],
    ['["a"]'],
    [JSON.stringify(['a', { ...QUICK, gap: [[1, '2']] }])],
  ])('also with the right checksum: %s', (profile) => {
    expect(parseEntries(profilesText([profile]), PROFILE_FORMAT)).toBe('its profiles are none');
  });

  test('a file of the largest size is read', async () => {
    writeFileSync(path, sound.padEnd(PROFILE_BYTES_MAX));
    expect(await found()).toEqual({ a: QUICK });
  });
});

describe('what cannot be written', () => {
  test('is told once, and ends nothing', async () => {
    writeFileSync(join(folder, 'file'), '');
    const { file, clock, warnings } = await open(join(folder, 'file', 'profiles.json'));
    expect(file.saved.size).toBe(0);
    for (let round = 0; round < 3; round++) {
      file.save([['a', QUICK]]);
      while (clock.pendingTimers === 0) await new Promise((turn) => setImmediate(turn));
      clock.advance(WRITE_EVERY_MS);
    }
    await file.close([['a', QUICK]]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/profiles\.json cannot be read: ENOTDIR/);
  });

  test('leaves nothing behind, and is written when it can be', async () => {
    const { file, clock, warnings } = await open();
    mkdirSync(join(path, 'in the way'), { recursive: true });
    file.save([['a', QUICK]]);
    clock.advance(WRITE_EVERY_MS);
    while (warnings.length === 0) await new Promise((turn) => setImmediate(turn));
    expect(warnings[0]).toMatch(/profiles\.json cannot be written/);
    await new Promise((turn) => setImmediate(turn));
    expect(readdirSync(folder)).toEqual(['profiles.json']);
    const again = new Told(['a', QUICK]);
    file.save(again);
    clock.advance(WRITE_EVERY_MS);
    expect(again.reads).toBe(1);
    rmSync(path, { recursive: true });
    await file.close([['b', SLOW]]);
    expect(await found()).toEqual({ a: QUICK, b: SLOW });
    expect(warnings).toHaveLength(1);
  });
});

describe('several at one file', () => {
  test('the last to write wins', async () => {
    const [one, other] = [await open(), await open()];
    await one.file.close([['one', QUICK]]);
    await other.file.close([['other', SLOW]]);
    expect(await found()).toEqual({ other: SLOW });
  });

  test('who write at the same moment leave one of their files, whole', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => open()));
    await Promise.all(all.map(({ file }, i) => file.close([[`handle ${i}`, QUICK]])));
    expect(Object.values(await found())).toEqual([QUICK]);
    expect(readdirSync(folder)).toEqual(['profiles.json']);
    expect(all.flatMap(({ warnings }) => warnings)).toEqual([]);
  });

  test('processes that come and go never find it damaged', async () => {
    const run = async (name: string): Promise<unknown> => {
      const child = spawn(process.execPath, [CHILD, path, name, '25']);
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
      expect(stderr).toBe('');
      return JSON.parse(stdout);
    };
    for (const outcome of await Promise.all([run('one'), run('other')])) {
      expect(outcome).toMatchObject({ warnings: [] });
      expect((outcome as { least: number }).least).toBeGreaterThanOrEqual(100);
    }
    expect(Object.keys(await found()).length).toBeGreaterThanOrEqual(100);
    expect(readdirSync(folder)).toEqual(['profiles.json']);
  });

  test('what a process left behind that ended while it wrote is removed, and nothing else', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'close');
    const names = [
      `profiles.json.${child.pid}-0-0.tmp`,
      `profiles.json.${process.pid}-9-9.tmp`,
      `profiles.json.${child.pid}.tmp`,
      `other.json.${child.pid}-0-0.tmp`,
      'profiles.json.bak',
    ];
    for (const name of names) writeFileSync(join(folder, name), 'x');
    await open();
    expect(readdirSync(folder).sort()).toEqual(names.slice(1).sort());
  });
});
