import type { Writable } from 'node:stream';
import type { Clock, Timer } from '../../../shared/clock.ts';
import type { ResolvedRpcLimits } from './socket-options.ts';

/**
 * Answers to one client. All answers of one turn of the event loop are sent in one write. Above a mark, the server stops reading from the client; a
 * client that then reads nothing for a while, or lets more wait than the limit, is slow.
 */

/** Bytes of answers that wait for all clients of a face together. */
export interface WaitingAnswers {
  waitingBytes: number;
}

/** Above this total of all clients, the server stops reading from those for which more than `FREE_BYTES` wait. */
const ALL_BYTES = 8 * 2 ** 20;
const FREE_BYTES = 16_384;
/** Above this total of all clients, those for which more than `writeBufferBytes` wait are slow. */
const ALL_BYTES_MAX = 64 * 2 ** 20;

interface OutboxParts {
  readonly waiting: WaitingAnswers;
  readonly output: Writable;
  readonly limits: ResolvedRpcLimits;
  readonly clock: Clock;
  /** Some of the waiting data has been taken. */
  onTaken(): void;
  /** Called once: the client does not read. */
  onSlow(message: string): void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** Text sent and not written yet. */
  #text = '';
  /** Bytes written and not taken yet. */
  #written = 0;
  /** Number of writes that have been taken. */
  #taken = 0;
  #watch: Timer | undefined;
  /** Bytes written and not taken, above which the client's reading is watched. */
  #watchedAbove: number;
  #isShut = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#watchedAbove = parts.limits.writeBufferBytes;
  }

  /** True if more waits than the mark allows. Unwritten text counts one byte a character. */
  get isOver(): boolean {
    const { limits, waiting } = this.#parts;
    const bytes = this.#bytes;
    return bytes > limits.writeBufferBytes || (bytes > FREE_BYTES && waiting.waitingBytes > ALL_BYTES);
  }

  get #bytes(): number {
    return this.#text.length + this.#written;
  }

  /** True if everything sent has been taken. */
  get isEmpty(): boolean {
    return this.#text === '' && this.#written === 0;
  }

  send(text: string): void {
    if (this.#isShut) return;
    const { limits, waiting } = this.#parts;
    this.#text += `${text}\n`;
    waiting.waitingBytes += text.length + 1;
    if (this.#bytes > limits.writeBufferBytesMax) {
      this.#slow(`more than ${limits.writeBufferBytesMax} bytes wait for it (writeBufferBytesMax)`);
    } else if (waiting.waitingBytes > ALL_BYTES_MAX && this.#bytes > limits.writeBufferBytes) {
      this.#slow(`more than ${limits.writeBufferBytes} bytes wait for it (writeBufferBytes), and much for others`);
    }
  }

  /** Writes everything sent since the last flush. */
  flush(): void {
    if (this.#text === '') return;
    const bytes = Buffer.byteLength(this.#text);
    const text = this.#text;
    this.#text = '';
    this.#written += bytes;
    this.#parts.waiting.waitingBytes += bytes - text.length;
    // One byte a character means ASCII, which needs no encoding.
    const encoding = bytes === text.length ? 'latin1' : 'utf8';
    this.#parts.output.write(text, encoding, () => this.#onTaken(bytes));
    if (this.#written > this.#watchedAbove) this.#watch ??= this.#setWatch();
  }

  /** Nothing more will be sent: from now on the client must take everything that waits, not only what exceeds the mark. */
  expectEnd(): void {
    this.#watchedAbove = 0;
    if (this.#written > 0) this.#watch ??= this.#setWatch();
  }

  /** Drops everything that waits. */
  shut(): void {
    if (!this.#isShut) this.#parts.waiting.waitingBytes -= this.#bytes;
    this.#isShut = true;
    this.#text = '';
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  #onTaken(bytes: number): void {
    this.#written -= bytes;
    this.#taken++;
    if (this.#isShut) return;
    this.#parts.waiting.waitingBytes -= bytes;
    if (this.#written <= this.#watchedAbove) {
      this.#watch?.cancel();
      this.#watch = undefined;
    }
    this.#parts.onTaken();
  }

  #setWatch(): Timer {
    const { clock, limits } = this.#parts;
    const before = this.#taken;
    return clock.setTimer(limits.slowClientMs, () => {
      if (this.#taken > before) this.#watch = this.#setWatch();
      else this.#slow(`it has taken nothing for ${limits.slowClientMs} ms (slowClientMs)`);
    });
  }

  #slow(message: string): void {
    this.shut();
    this.#parts.onSlow(message);
  }
}
