import type { FakeClock } from './fake-clock.ts';

/** Lets everything run that waits for no time: promise chains and immediates. */
export async function flush(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves the fake clock, millisecond by millisecond, until `promise` settles. Fails after `limitMs` of fake time. */
export async function drive<T>(clock: FakeClock, promise: Promise<T>, limitMs = 60_000): Promise<T> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  const untilMs = clock.now() + limitMs;
  await flush();
  while (!settled) {
    if (clock.now() >= untilMs) throw new Error(`still not settled after ${limitMs} ms of fake time`);
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
}
