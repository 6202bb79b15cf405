import { describe, expect, test } from 'vitest';
import { EventLog, KEPT_BYTES } from '../../../../src/main/chat/answers/event-log.ts';

const KIB = 'x'.repeat(1_024);

async function textOf(read: Promise<readonly { readonly data: string }[] | undefined>): Promise<string | undefined> {
  return (await read)?.map(({ data }) => data).join('');
}

describe('the log of an answer', () => {
  test('gives each reader everything, whenever it comes', async () => {
    const log = new EventLog();
    const early = log.read();
    const first = textOf(early.next());
    log.push('a', false);
    log.push('b', false);
    expect(await first).toBe('ab');
    const late = log.read();
    log.push('c', false);
    log.end();
    expect([await textOf(early.next()), await textOf(late.next())]).toEqual(['c', 'abc']);
    expect(await early.next()).toEqual([]);
  });

  test('is pressed when the first reader is 64 KiB behind, and until it has caught up', async () => {
    const log = new EventLog();
    const told: boolean[] = [];
    log.onPressure = (isPressed) => told.push(isPressed);
    const fast = log.read();
    log.read();
    for (let nth = 0; nth < 64; nth++) log.push(KIB, false);
    expect(told).toEqual([]);
    log.push(KIB, false);
    expect(told).toEqual([true]);
    await fast.next();
    expect(told).toEqual([true, false]);
  });

  test('is not pressed by nobody, nor where somebody takes all of it', () => {
    const log = new EventLog();
    let isPressed = false;
    log.onPressure = (now) => {
      isPressed = now;
    };
    for (let nth = 0; nth < 100; nth++) log.push(KIB, false);
    expect(isPressed).toBe(false);
    log.isDrained = () => true;
    log.read();
    log.push(KIB, false);
    expect(isPressed).toBe(false);
    log.isDrained = () => false;
    log.settle();
    expect(isPressed).toBe(true);
    log.end();
    expect(isPressed).toBe(false);
  });

  test('beyond its bound it keeps only what somebody has still to read, and nobody may join', async () => {
    const log = new EventLog();
    const reader = log.read();
    for (let nth = 0; nth < KEPT_BYTES / 1_024; nth++) log.push(KIB, false);
    expect(log.isWhole).toBe(true);
    log.push(KIB, false);
    expect(log.isWhole).toBe(false);
    await reader.next();
    expect(log.from(0)).toBeUndefined();
    expect(log.from(log.length)).toEqual([]);
    log.push('end', false);
    expect(await textOf(reader.next())).toBe('end');
  });

  test('a reader that is too far behind another one has lost its place', async () => {
    const log = new EventLog();
    const slow = log.read();
    const fast = log.read();
    for (let nth = 0; nth < KEPT_BYTES / 1_024 + 2; nth++) {
      log.push(KIB, false);
      await fast.next();
    }
    expect(await slow.next()).toBeUndefined();
    log.push('end', false);
    expect(await textOf(fast.next())).toBe('end');
  });

  test('a reader that leaves waits no longer and holds up nobody', async () => {
    const log = new EventLog();
    let isPressed = false;
    log.onPressure = (now) => {
      isPressed = now;
    };
    const reader = log.read();
    const read = reader.next();
    reader.leave();
    expect(await read).toEqual([]);
    for (let nth = 0; nth < 100; nth++) log.push(KIB, false);
    expect(isPressed).toBe(false);
  });

  test('a long event is read by all who are not behind by others', async () => {
    const log = new EventLog();
    const long = 'x'.repeat(16 * KEPT_BYTES);
    const readers = [log.read(), log.read()];
    for (const data of ['a', long, 'b']) log.push(data, false);
    for (const reader of readers) expect((await textOf(reader.next()))?.length).toBe(long.length + 2);
  });

  test('what is held is kept for those who do not read yet', async () => {
    const log = new EventLog();
    log.hold();
    log.push('x'.repeat(2 * KEPT_BYTES), false);
    log.push('b', false);
    const reader = log.read();
    log.release();
    expect((await textOf(reader.next()))?.length).toBe(2 * KEPT_BYTES + 1);
    expect(log.from(0)).toBeUndefined();
  });
});
