import { connect as connectPlainly, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { Clock } from '../../../shared/clock.ts';
import { engineHost } from './engine-host.ts';
import { ReplyReader, type SocketReply } from './reply-reader.ts';

const PORT = 6_379;
/** The most that is read at once, in bytes. */
const READ_BYTES = 65_536;
/** What was read is followed by a pause of a millisecond for each of so many bytes. */
const BYTES_PER_PAUSED_MS = 200;
/** Bounds of a pause, in milliseconds. A shorter one is left out. */
const PAUSE_MS = { min: 1, max: 20 } as const;

interface Expected {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * The connection on which messages arrive. It is read with pauses, the longer the more arrives: a thread that is busy with something else
 * pays for each time that it is woken up as much as for some ten decisions, so what arrives close together is read together. What comes
 * after a silence is read at once. The client library cannot be told to pause, which is why this is not one of its connections.
 */
export class MessageConnection {
  readonly #clock: Clock;
  readonly #onLost: (cause: Error) => void;
  readonly #socket: Socket;
  readonly #replies = new ReplyReader();
  readonly #channels = new Map<string, (message: Buffer) => void>();
  /** Commands whose replies have not come yet, in their order. */
  readonly #expected: Expected[] = [];
  /** Bytes that have arrived in this turn of the event loop. */
  #arrived = 0;

  /** `onLost` is called when the connection ends by itself, and may be called more than once. */
  constructor(url: string, clock: Clock, onLost: (cause: Error) => void) {
    this.#clock = clock;
    this.#onLost = onLost;
    this.#socket = this.#connect(url);
    this.#socket.on('error', (error) => this.#lost(error));
    this.#socket.on('close', () => this.#lost(new Error('the connection ended')));
  }

  #connect(url: string): Socket {
    const { protocol, port, username, password } = new URL(url);
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (length: number, bytes: Uint8Array) => {
        this.#read(Buffer.from(bytes.subarray(0, length)));
        return true;
      },
    };
    const { host, servername } = engineHost(url);
    const options = { host, port: Number(port || PORT), noDelay: true, keepAlive: true, onread };
    const socket = protocol === 'rediss:' ? connectSecurely({ ...options, servername }) : connectPlainly(options);
    // As the client library does: with a user's name in any case, since an engine that wants no password refuses one without a name.
    const names = [username || 'default', password].map(decodeURIComponent);
    if (password !== '') this.#send(['AUTH', ...names], socket).catch((error: Error) => this.#lost(error));
    return socket;
  }

  /** Resolves when the engine has confirmed. */
  subscribe(channel: string, onMessage: (message: Buffer) => void): Promise<void> {
    this.#channels.set(channel, onMessage);
    return this.#send(['SSUBSCRIBE', channel]);
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
    this.#send(['SUNSUBSCRIBE', channel]).catch(() => {});
  }

  /** Resolves when the engine answers. */
  ping(): Promise<void> {
    return this.#send(['PING']);
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(parts: readonly string[], socket = this.#socket): Promise<void> {
    socket.write(`*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`);
    return new Promise((resolve, reject) => void this.#expected.push({ resolve, reject }));
  }

  #lost(cause: Error): void {
    this.#socket.destroy();
    for (const { reject } of this.#expected.splice(0)) reject(cause);
    this.#onLost(cause);
  }

  #read(bytes: Buffer): void {
    // What waits already is read in the same turn.
    if (this.#arrived === 0) this.#clock.nextTurn(() => this.#pause());
    this.#arrived += bytes.length;
    this.#replies.add(bytes);
    try {
      for (let reply = this.#replies.next(); reply !== undefined; reply = this.#replies.next()) this.#take(reply);
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  #take(reply: SocketReply): void {
    const [kind, channel, message] = reply instanceof Error ? [] : reply;
    if (message !== undefined && String(kind) === 'smessage') return this.#channels.get(String(channel))?.(message);
    const expected = this.#expected.shift();
    // A shard that gives away its keys ends subscriptions by itself.
    if (expected === undefined) this.#lost(reply instanceof Error ? reply : new Error(`the engine sent ${kind}`));
    else if (reply instanceof Error) expected.reject(reply);
    else expected.resolve();
  }

  #pause(): void {
    const pauseMs = Math.min(PAUSE_MS.max, this.#arrived / BYTES_PER_PAUSED_MS);
    this.#arrived = 0;
    if (pauseMs < PAUSE_MS.min || this.#socket.destroyed) return;
    this.#socket.pause();
    this.#clock.setTimer(pauseMs, () => {
      if (!this.#socket.destroyed) this.#socket.resume();
    });
  }
}
