/**
 * The events of one answer as they arrive, for all of its readers: a new reader gets everything so far. Each reads at its own pace. When even the
 * fastest reader is `BEHIND_BYTES` behind, the log is pressed, and its writer should stop. A log longer than `KEPT_BYTES` keeps only what a reader
 * has yet to read, takes no new readers, and drops a reader that is further behind. One event may be longer than that: for readers that are behind,
 * it counts as `BEHIND_BYTES`.
 */
export interface LogEvent {
  readonly data: string;
  /** True if it has the token counts, which not every client asked for. */
  readonly isUsage: boolean;
  /** The event for the other clients; absent if they get none. */
  readonly withoutUsage?: string;
}

interface Kept extends LogEvent {
  /** Length of the log up to the end of this event, in bytes. */
  readonly endsAt: number;
  /** The same length with long events counted as `BEHIND_BYTES`. */
  readonly lagsAt: number;
}

const BEHIND_BYTES = 65_536;
export const KEPT_BYTES = 1_048_576;

export class EventLog {
  /** The events kept; the first of them is event number `#first`. */
  #events: Kept[] = [];
  #first = 0;
  #bytes = 0;
  #lag = 0;
  #isHeld = false;
  #isEnded = false;
  #isShort = true;
  #isPressed = false;
  readonly #readers = new Set<LogReader>();
  /** True while something besides the readers takes all events as they arrive: the log is then never pressed. */
  isDrained: () => boolean = () => false;
  /** Called when the log becomes pressed, and when it no longer is. */
  onPressure: (isPressed: boolean) => void = () => {};

  get length(): number {
    return this.#first + this.#events.length;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** True while the log has all events from the first one on. */
  get isWhole(): boolean {
    return this.#first === 0 && this.#isShort;
  }

  /** `withoutUsage` is what clients that did not ask for token counts get instead; by default nothing. */
  push(data: string, isUsage: boolean, withoutUsage?: string): void {
    this.#bytes += data.length;
    this.#lag += Math.min(data.length, BEHIND_BYTES);
    const event = withoutUsage === undefined ? { data, isUsage } : { data, isUsage, withoutUsage };
    this.#events.push({ ...event, endsAt: this.#bytes, lagsAt: this.#lag });
    if (this.#bytes > KEPT_BYTES) this.#isShort = false;
    for (const reader of this.#readers) reader.wake();
    this.settle();
  }

  /** Keeps all events until `release`: clients that wait for the answer to begin do not read yet. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.settle();
  }

  /** Marks the log as complete. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers) reader.wake();
    this.settle();
  }

  /** A reader that starts at the first event. Only while no event has been dropped. */
  read(): LogReader {
    const reader = new LogReader(this);
    this.#readers.add(reader);
    return reader;
  }

  /** The events that a reader at `number` has not read yet; undefined if some of them were dropped. */
  from(number: number): readonly LogEvent[] | undefined {
    return number < this.#first ? undefined : this.#events.slice(number - this.#first);
  }

  leave(reader: LogReader): void {
    this.#readers.delete(reader);
    this.settle();
  }

  /** Checks the position of each reader: drops events that none needs, and reports pressure. */
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

  /** Drops events that all have read, and those further back than the log may reach. */
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
  /** The number of the next event to read. */
  number = 0;
  #waiting: (() => void) | undefined;
  #hasLeft = false;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * All events since the last call, at least one; an empty list when the log has ended, or after `leave`; undefined if the reader was too slow and
   * events are missing.
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
