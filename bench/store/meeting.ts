/** Where threads meet: one shared Int32Array with a word for each of these. READS has one for each of two threads. */
export const MEETING = { READY: 0, START: 1, DONE: 2, WRITES: 3, READS: 4, WORDS: 6 } as const;

const WAIT_MS = 60_000;

export function newMeeting(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(MEETING.WORDS * Int32Array.BYTES_PER_ELEMENT));
}

/** A thread's side: tells that it is ready for the nth start and waits for it. Blocks. */
export function awaitStart(meeting: Int32Array, nth: number): void {
  Atomics.add(meeting, MEETING.READY, 1);
  Atomics.notify(meeting, MEETING.READY);
  // A start before this one may still stand in the word.
  while (Atomics.load(meeting, MEETING.START) < nth) {
    if (Atomics.wait(meeting, MEETING.START, nth - 1, WAIT_MS) === 'timed-out')
      throw new Error('nobody gave the start');
  }
}

/** The coordinator's side: the nth start, once `threads` of them are ready. */
export async function giveStart(meeting: Int32Array, nth: number, threads: number): Promise<void> {
  for (;;) {
    const ready = Atomics.load(meeting, MEETING.READY);
    if (ready === threads) break;
    const { value } = Atomics.waitAsync(meeting, MEETING.READY, ready, WAIT_MS);
    if ((await value) === 'timed-out') throw new Error(`only ${ready} of ${threads} threads became ready`);
  }
  Atomics.store(meeting, MEETING.READY, 0);
  Atomics.store(meeting, MEETING.START, nth);
  Atomics.notify(meeting, MEETING.START);
}
