import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Outbox } from '../../../../src/main/faces/socket/outbox.ts';
import { resolveRpcLimits } from '../../../../src/main/faces/socket/socket-options.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const MIB = 2 ** 20;

/** The outbox of a client that takes what it is sent when `take` says so. */
function client(waiting: { waitingBytes: number }) {
  const untaken: (() => void)[] = [];
  const slow: string[] = [];
  const output = new Writable({
    highWaterMark: 1,
    write: (_piece, _encoding, done) => void untaken.push(done),
  });
  const limits = resolveRpcLimits({});
  const outbox = new Outbox({
    output,
    waiting,
    limits,
    clock: new FakeClock(),
    onTaken: () => {},
    onSlow: (message) => void slow.push(message),
  });
  const send = (bytes: number): void => {
    outbox.send('é'.repeat((bytes - 2) / 2).padEnd(bytes / 2));
    outbox.flush();
  };
  const take = async (): Promise<void> => {
    for (let done = untaken.shift(); done !== undefined; done = untaken.shift()) {
      done();
      await new Promise(setImmediate);
    }
  };
  return { outbox, send, take, slow };
}

test('nothing more is read from a client for which much waits while very much waits for all, until it has taken it', async () => {
  const waiting = { waitingBytes: 0 };
  const [first, short, ...others] = Array.from({ length: 15 }, () => client(waiting));
  short?.send(10_000);
  for (const each of [first, ...others]) each?.send(580_000);
  expect(waiting.waitingBytes).toBeGreaterThan(8e6);
  expect([first?.outbox.isOver, short?.outbox.isOver]).toEqual([false, false]);
  for (const each of others.slice(0, 10)) each.send(400_000);
  expect(waiting.waitingBytes).toBeGreaterThan(8 * MIB);
  expect([first?.outbox.isOver, short?.outbox.isOver]).toEqual([true, false]);
  await first?.take();
  expect(first?.outbox.isOver).toBe(false);
  for (const each of others.slice(0, 10)) each.outbox.shut();
  expect(others.at(-1)?.outbox.isOver).toBe(false);
  for (const each of [short, ...others]) await each?.take();
  for (const each of [first, short, ...others]) each?.outbox.shut();
  expect(waiting.waitingBytes).toBe(0);
  expect([first, short, ...others].flatMap((each) => each?.slow)).toEqual([]);
});

test('where far more waits, a client for which more than the mark waits is slow, and no other', () => {
  const waiting = { waitingBytes: 0 };
  const crowd = Array.from({ length: 63 }, () => client(waiting));
  const late = client(waiting);
  for (const { send } of crowd) send(MIB);
  late.send(2 * MIB);
  expect(late.slow).toEqual([expect.stringContaining('more than 1048576 bytes wait for it (writeBufferBytes)')]);
  for (const { outbox } of crowd) outbox.shut();
  expect(crowd.flatMap(({ slow }) => slow)).toEqual([]);
  expect(waiting.waitingBytes).toBe(0);
});
