/**
 * The events of one answer as they come, for everyone who reads them: whoever joins gets what came so far. Each reader
 * goes at its own pace. When even the first of them falls behind by `BEHIND_BYTES`, the log is pressed, and whoever writes to it
 * should stop; of one that is longer than `KEPT_BYTES`, only what somebody has still to read is kept, nobody may join any
 * more, and a reader that is further behind than that has lost its place. One event may be longer than that: for who is behind,
 * it counts as `BEHIND_BYTES`.
 */
export interface LogEvent {
  readonly data: string;
  /** Whether it tells the tokens, which not every client asked for. */
  readonly isUsage: boolean;
  /** What the others get in its place; absent where that is nothing. */
  readonly withoutUsage?: string;
}

interface Kept extends LogEvent {
  /** Bytes of the log up to its end. */
  readonly endsAt: number;
  /** The same with long events counted as `BEHIND_BYTES`. */
  readonly lagsAt: number;
}

const BEHIND_BYTES = 65_536;
export const KEPT_BYTES = 1_048_576;

export class EventLog {
  /** Those kept; the first of them is event number `#first`. */
  #events: Kept[] = [];
  #first = 0;
  #bytes = 0;
  #lag = 0;
  #isHeld = false;
  #isEnded = false;
  #isShort = true;
  #isPressed = false;
  readonly #readers = new Set<LogReader>();
  /** Whether somebody takes all of it as it comes, beside the readers: then it is not pressed. */
  isDrained: () => boolean = () => false;
  /** Called when the log becomes pressed, and when it is not any longer. */
  onPressure: (isPressed: boolean) => void = () => {};

  get length(): number {
    return this.#first + this.#events.length;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether all of it is here. */
  get isWhole(): boolean {
    return this.#first === 0 && this.#isShort;
  }

  /** `withoutUsage` is what clients get in its place that did not ask for the tokens; by default that is nothing. */
  push(data: string, isUsage: boolean, withoutUsage?: string): void {
    this.#bytes += data.length;
    this.#lag += Math.min(data.length, BEHIND_BYTES);
    const event = withoutUsage === undefined ? { data, isUsage } : { data, isUsage, withoutUsage };
    this.#events.push({ ...event, endsAt: this.#bytes, lagsAt: this.#lag });
    if (this.#bytes > KEPT_BYTES) this.#isShort = false;
    for (const reader of this.#readers) reader.wake();
    this.settle();
  }

  /** Drops nothing until `release`: those who wait for the answer to begin do not read yet. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.settle();
  }

  /** No more will come. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers) reader.wake();
    this.settle();
  }

  /** From the first event on, while all of it is here. */
  read(): LogReader {
    const reader = new LogReader(this);
    this.#readers.add(reader);
    return reader;
  }

  /** What a reader at `number` has not read yet; undefined where it has lost its place. */
  from(number: number): readonly LogEvent[] | undefined {
    return number < this.#first ? undefined : this.#events.slice(number - this.#first);
  }

  leave(reader: LogReader): void {
    this.#readers.delete(reader);
    this.settle();
  }

  /** Looks who is where: drops what nobody needs, and tells of pressure. */
  settle(): void {
    let least = this.length;
    let most = this.#readers.size === 0 || this.isDrained() ? this.length : 0;
    for (const { number } of this.#readers) {
      least = Math.min(least, number);
      most = Math.max(most, number);
    }
    if (!this.#isShort && !this.#isHeld) this.#drop(least);
    const isPressed = !this.#isEnded && this.#bytes - this.#endOf(most) > BEHIND_BYTES;
    if (isPressed === this.#isPressed) return;
    this.#isPressed = isPressed;
    this.onPressure(isPressed);
  }

  /** What everyone has read, and what is further behind than the log may be. */
  #drop(least: number): void {
    let count = 0;
    for (const { lagsAt } of this.#events) {
      if (this.#first + count >= least && this.#lag - lagsAt <= KEPT_BYTES) break;
      count++;
    }
    if (count === 0) return;
    this.#events.splice(0, count);
    this.#first += count;
  }

  #endOf(number: number): number {
    const before = this.#events[number - this.#first - 1];
    if (before !== undefined) return before.endsAt;
    const next = this.#events[0];
    return next === undefined ? this.#bytes : next.endsAt - next.data.length;
  }
}

export class LogReader {
  readonly #log: EventLog;
  /** The event that it reads next. */
  number = 0;
  #waiting: (() => void) | undefined;
  #hasLeft = false;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * Everything that has come since, at least one event; an empty list when the log has ended, or after `leave`; undefined
   * when the reader was too slow and something is missing.
   */
  async next(): Promise<readonly LogEvent[] | undefined> {
    while (!this.#hasLeft && this.number >= this.#log.length && !this.#log.isEnded) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      await promise;
    }
    if (this.#hasLeft) return [];
    const events = this.#log.from(this.number);
    if (events === undefined) return undefined;
    this.number += events.length;
    this.#log.settle();
    return events;
  }

  wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#log.leave(this);
    this.wake();
  }
}
