import type { Clock } from './clock.ts';

/**
 * Work on something large, in parts of a few milliseconds: its caller decides whether anything runs between two parts. Most
 * parts end after `PART_MEMBERS` members of a list or object.
 */
export type InParts<T> = Generator<void, T, void>;

export const PART_MEMBERS = 4_096;
/** Number of characters in one part that reads or writes text. `JSON.parse` takes about a millisecond for them, even if members are short. */
export const PART_CHARS = 65_536;

/** Runs all parts one after the other, for callers that need the result now. */
export function inOneGo<T>(work: InParts<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Runs each part in a turn of the event loop of its own. */
export async function inTurns<T>(work: InParts<T>, clock: Pick<Clock, 'nextTurn'>): Promise<T> {
  for (;;) {
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
