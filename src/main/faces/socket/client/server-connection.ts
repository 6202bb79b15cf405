import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../../../shared/clock.ts';
import { PlannerError } from '../../../../shared/errors.ts';
import { LineReader } from '../line-reader.ts';
import { strange } from './server-check.ts';

export interface ConnectionParts {
  readonly input: Readable;
  readonly output: Writable;
  readonly clock: Clock;
  /** The name of the planner's side in messages. */
  readonly address: string;
  readonly messageBytesMax: number;
}

/** The owner of a connection, whose messages it carries. */
interface ConnectionOwner {
  /** The messages that may be sent now. Those not taken are offered again. */
  ready(): Iterable<string>;
  hear(line: string): void;
  /** The connection is lost; `close` destroys it. `isFault` is false if the server simply closed it. */
  lost(error: PlannerError, isFault: boolean): void;
}

const WRITE_CHARS_MAX = 1_048_576;

/** The lines to and from one server. Once a turn, everything that can be sent goes out in one write; nothing while the server does not read. */
export class ServerConnection {
  readonly #parts: ConnectionParts;
  readonly #owner: ConnectionOwner;
  readonly #reader: LineReader;
  #text = '';
  #isTurnSet = false;
  #isChoked = false;
  #isClosed = false;
  /** Number of reads so far. */
  reads = 0;

  constructor(parts: ConnectionParts, owner: ConnectionOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#reader = new LineReader(parts.messageBytesMax);
    const { input, output } = parts;
    const onGone = (): void => this.#lost(this.gone('has ended'), false);
    input.on('data', (chunk: Buffer) => this.#onData(chunk));
    input.on('end', onGone);
    output.on('drain', () => {
      this.#isChoked = false;
      this.wake();
    });
    for (const stream of new Set([input, output])) {
      stream.on('close', onGone);
      stream.on('error', (error: Error) => this.#lost(this.gone(`has failed: ${error.message}`), true));
    }
  }

  gone(how: string): PlannerError {
    return new PlannerError('ERR_PEER_EXITED', `the connection to ${this.#parts.address} ${how}`);
  }

  /** Sends a message ahead of those that wait. */
  post(text: string): void {
    this.#text += `${text}\n`;
    this.wake();
  }

  /** The owner may have something to send. */
  wake(): void {
    if (this.#isTurnSet || this.#isChoked || this.#isClosed) return;
    this.#isTurnSet = true;
    this.#parts.clock.nextTurn(() => {
      this.#isTurnSet = false;
      if (!this.#isClosed) this.#write();
    });
  }

  /** Closes the connection and ignores whatever the server still sends. */
  close(): void {
    this.#isClosed = true;
    this.#reader.shut();
    this.#parts.input.destroy();
    this.#parts.output.destroy();
  }

  #write(): void {
    for (const message of this.#owner.ready()) {
      this.#text += `${message}\n`;
      if (this.#text.length > WRITE_CHARS_MAX) break;
    }
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    this.#isChoked = !this.#parts.output.write(text);
    // The rest goes into the next write.
    if (text.length > WRITE_CHARS_MAX) this.wake();
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.reads++;
    this.#reader.push(chunk);
    while (!this.#isClosed) {
      const line = this.#reader.next();
      if (line === undefined) return;
      if (typeof line !== 'string') return this.#lost(strange(`a line that is ${line.fault}`), true);
      if (line !== '') this.#owner.hear(line);
    }
  }

  #lost(error: PlannerError, isFault: boolean): void {
    if (!this.#isClosed) this.#owner.lost(error, isFault);
  }
}
