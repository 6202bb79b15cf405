import type { Writable } from 'node:stream';
import type { Clock, Timer } from '../../../shared/clock.ts';
import type { ResolvedRpcLimits } from './socket-options.ts';

/**
 * Answers on their way to one client. What is sent in one turn of the event loop is one write. Above a mark nothing more is
 * read from the client; a client that then takes nothing for a while, or lets more wait than the bound, is slow.
 */

/** Bytes of answers that wait for all clients of a face, together. */
export interface WaitingAnswers {
  waitingBytes: number;
}

/** Above this, of all clients, nothing more is read from one for which more than `FREE_BYTES` wait. */
const ALL_BYTES = 8 * 2 ** 20;
const FREE_BYTES = 16_384;
/** Above this, of all clients, one for which more than `writeBufferBytes` wait is slow. */
const ALL_BYTES_MAX = 64 * 2 ** 20;

export interface OutboxParts {
  readonly waiting: WaitingAnswers;
  readonly output: Writable;
  readonly limits: ResolvedRpcLimits;
  readonly clock: Clock;
  /** Some of what waited is gone. */
  onTaken(): void;
  /** Told once: the client does not read. */
  onSlow(message: string): void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** Sent and not written yet. */
  #text = '';
  /** Bytes written and not taken yet. */
  #written = 0;
  /** Writes that have been taken. */
  #taken = 0;
  #watch: Timer | undefined;
  /** Bytes written and not taken, above which it is watched whether the client reads. */
  #watchedAbove: number;
  #isShut = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#watchedAbove = parts.limits.writeBufferBytes;
  }

  /** More waits than the mark allows. Until it is written, text counts one byte a character. */
  get isOver(): boolean {
    const { limits, waiting } = this.#parts;
    const bytes = this.#bytes;
    return bytes > limits.writeBufferBytes || (bytes > FREE_BYTES && waiting.waitingBytes > ALL_BYTES);
  }

  get #bytes(): number {
    return this.#text.length + this.#written;
  }

  /** Everything that was sent has been taken. */
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

  /** Writes what was sent since the last time. */
  flush(): void {
    if (this.#text === '') return;
    const bytes = Buffer.byteLength(this.#text);
    const text = this.#text;
    this.#text = '';
    this.#written += bytes;
    this.#parts.waiting.waitingBytes += bytes - text.length;
    // One byte a character means ASCII, which is written without being encoded.
    const encoding = bytes === text.length ? 'latin1' : 'utf8';
    this.#parts.output.write(text, encoding, () => this.#onTaken(bytes));
    if (this.#written > this.#watchedAbove) this.#watch ??= this.#setWatch();
  }

  /** Nothing more is to come: from now on the client has to take whatever waits, not only what is above the mark. */
  expectEnd(): void {
    this.#watchedAbove = 0;
    if (this.#written > 0) this.#watch ??= this.#setWatch();
  }

  /** Drops what waits. */
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
