import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LearnedFile } from '../../../../src/main/cache/learned/learned-file.ts';
import type { LearnedPart } from '../../../../src/main/cache/learned/learned-part.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { type Folder, makeFolder } from '../disk/support/open-tier.ts';

const WRITE_EVERY_MS = 30_000;
const IDENTITY = 'conclave 1 ["a domain"]';

let folder: Folder;
let path: string;
beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, 'evidence.json');
});
afterEach(() => folder.remove());

/** A part whose values are texts. */
class Texts implements LearnedPart {
  readonly name: string;
  readonly held: string[];
  constructor(name: string, ...held: string[]) {
    this.name = name;
    this.held = held;
  }
  saved(): readonly string[] {
    return this.held;
  }
  restore(value: unknown): boolean {
    if (typeof value !== 'string') return false;
    this.held.push(value);
    return true;
  }
}

interface Opened {
  readonly file: LearnedFile;
  readonly clock: FakeClock;
  readonly warnings: string[];
}

async function open(parts: readonly LearnedPart[], identity = IDENTITY): Promise<Opened> {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  return { file: await LearnedFile.open({ path, identity, clock, warn }, parts), clock, warnings };
}

async function write(...parts: readonly LearnedPart[]): Promise<void> {
  const opened = await LearnedFile.open({ path, identity: IDENTITY, clock: new FakeClock(), warn: () => {} }, parts);
  opened.changed();
  await opened.close();
}

/** What a new start finds. */
async function found(...names: string[]): Promise<(readonly string[])[]> {
  const parts = names.map((name) => new Texts(name));
  const { warnings } = await open(parts);
  expect(warnings).toEqual([]);
  return parts.map(({ held }) => held);
}

async function turnsUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((next) => setImmediate(next));
}

describe('what was learned', () => {
  test('is there after a restart, part by part and in its order', async () => {
    await write(new Texts('a', 'one', 'two "\n', 'three ü'), new Texts('b', 'four'));
    expect(await found('b', 'a')).toEqual([['four'], ['one', 'two "\n', 'three ü']]);
    expect(readdirSync(folder.path)).toEqual(['evidence.json']);
  });

  test('of a part that is not known here is left out, and so is a value of another kind', async () => {
    await write(new Texts('a', 'one'), { name: 'b', saved: () => [1, null, 'two'], restore: () => true });
    expect(await found('b', 'c')).toEqual([['two'], []]);
  });

  test('is bounded: the oldest values of the first part go', async () => {
    const bytesMax = 4_096;
    const texts = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(bytesMax / 8));
    const parts = [new Texts('a', ...texts), new Texts('b', 'small')];
    const options = { path, identity: IDENTITY, clock: new FakeClock(), warn: () => {}, bytesMax };
    const file = await LearnedFile.open(options, parts);
    file.changed();
    await file.close();
    expect(statSync(path).size).toBeLessThanOrEqual(bytesMax);
    const [a, b] = await found('a', 'b');
    expect([a?.map((text) => text[0]), b]).toEqual([['2', '3', '4', '5', '6', '7', '8'], ['small']]);
  });

  test('is written half a minute after the start, and at close if there was anything since', async () => {
    const part = new Texts('a', 'one');
    const { file, clock } = await open([part]);
    file.changed();
    clock.advance(WRITE_EVERY_MS - 1);
    file.changed();
    expect(clock.pendingTimers).toBe(1);
    clock.advance(1);
    await turnsUntil(() => readdirSync(folder.path).includes('evidence.json'));
    part.held.push('two');
    await file.close();
    expect(await found('a')).toEqual([['one']]);
    file.changed();
    expect(clock.pendingTimers).toBe(0);
  });

  test('by a process that learned nothing replaces nothing', async () => {
    const idle = await open([new Texts('a', 'old')]);
    await write(new Texts('a', 'new'));
    await idle.file.close();
    expect(await found('a')).toEqual([['new']]);
  });

  test('is forgotten on disk at once when all is', async () => {
    await write(new Texts('a', 'one'));
    const part = new Texts('a');
    const { file, clock } = await open([part]);
    const { ino } = statSync(path);
    part.held.length = 0;
    file.cleared();
    clock.advance(0);
    await turnsUntil(() => statSync(path).ino !== ino);
    expect(await found('a')).toEqual([[]]);
    await file.close();
  });

  // Schedule: a file of 4 MB was written; the next write waits for more than a minute.
  test('if it is large, is written less often', async () => {
    const part = new Texts('a', 'x'.repeat(64 * WRITE_EVERY_MS));
    const { file, clock } = await open([part]);
    file.changed();
    clock.advance(WRITE_EVERY_MS);
    await turnsUntil(() => readdirSync(folder.path).join() === 'evidence.json');
    file.changed();
    await turnsUntil(() => clock.pendingTimers === 1);
    part.held[0] = 'changed';
    clock.advance(2 * WRITE_EVERY_MS - 1);
    expect(clock.pendingTimers).toBe(1);
    await file.close();
  });
});

describe('a file that does not fit', () => {
  async function sound(): Promise<string> {
    await write(new Texts('a', 'one'));
    return readFileSync(path, 'utf8');
  }

  const damages: readonly (readonly [string, (text: string) => string, RegExp])[] = [
    ['nothing', () => '', /holds something else/],
    ['text', () => 'hello\nworld\n', /holds something else/],
    ['another file of ours', (text) => text.replace('conclave evidence', 'conclave profiles'), /holds something else/],
    ['another version', (text) => text.replace('"version":1', '"version":2'), /version 2, not 1/],
    ['one cut short', (text) => text.slice(0, -3), /is damaged/],
    ['one with another letter', (text) => text.replace('one', 'two'), /is damaged/],
    ['its first line alone', (text) => text.slice(0, text.indexOf('\n') + 1), /is damaged/],
  ];
  test.each(damages)('is set aside and begun anew: %s', async (_, damage, reason) => {
    const content = damage(await sound());
    writeFileSync(path, content);
    const part = new Texts('a');
    const { file, warnings } = await open([part]);
    expect(part.held).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/^evidence .* set aside as .*\.damaged-\d+ and begun anew/)]);
    expect(warnings[0]).toMatch(reason);
    const [aside] = readdirSync(folder.path).filter((name) => name.includes('damaged'));
    expect(readFileSync(join(folder.path, aside as string), 'utf8')).toBe(content);
    part.held.push('new');
    file.changed();
    await file.close();
    expect(await found('a')).toEqual([['new']]);
  });

  test('is found at every place where it may end', async () => {
    const text = await sound();
    for (let end = 0; end < text.length; end += 7) {
      writeFileSync(path, text.slice(0, end));
      const part = new Texts('a');
      const { warnings } = await open([part]);
      expect([part.held, warnings.length], `cut at ${end}`).toEqual([[], 1]);
    }
  });

  test('is set aside if it is about another domain', async () => {
    await sound();
    const part = new Texts('a');
    const { warnings } = await open([part], 'conclave 1 ["another domain"]');
    expect([part.held, warnings]).toEqual([[], [expect.stringMatching(/it is about another domain/)]]);
  });

  test('is set aside if it is a folder, and one that cannot be written is told once', async () => {
    mkdirSync(path);
    const { file, warnings, clock } = await open([new Texts('a', 'one')]);
    expect(warnings).toEqual([expect.stringMatching(/it is not a file/)]);
    mkdirSync(join(path, 'in the way'), { recursive: true });
    file.changed();
    clock.advance(WRITE_EVERY_MS);
    file.changed();
    await file.close();
    expect(warnings.slice(1)).toEqual([expect.stringMatching(/evidence\.json cannot be written/)]);
  });
});
