import { expect, test } from 'vitest';
import { ByteQueue } from '../../../../src/main/chat/passed/byte-queue.ts';

const MIB = 1_048_576;

test('gives what has come in order, waits for more, and ends', async () => {
  const queue = new ByteQueue();
  queue.push(Buffer.from('a'));
  queue.push(Buffer.from('b'));
  expect((await queue.next())?.toString()).toBe('ab');
  const next = queue.next();
  queue.push(Buffer.from('c'));
  expect((await next)?.toString()).toBe('c');
  const last = queue.next();
  queue.end();
  expect(await last).toBeUndefined();
  expect(await queue.next()).toBeUndefined();
});

test('is pressed where its reader is more than 1 MiB behind, and no longer once it has read', async () => {
  const queue = new ByteQueue();
  const pressed: boolean[] = [];
  queue.onPressure = (isPressed) => pressed.push(isPressed);
  // Held for nobody yet.
  queue.push(Buffer.alloc(2 * MIB));
  expect(pressed).toEqual([]);
  await queue.next();
  queue.push(Buffer.alloc(MIB));
  expect(pressed).toEqual([]);
  queue.push(Buffer.alloc(1));
  expect(pressed).toEqual([true]);
  expect((await queue.next())?.length).toBe(MIB + 1);
  expect(pressed).toEqual([true, false]);
  queue.push(Buffer.alloc(2 * MIB));
  queue.end();
  expect(pressed).toEqual([true, false, true, false]);
});
