import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../../../shared/clock.ts';

/**
 * Spares requests that seem slow because this process was paused. Node compares the age of a request with its time limit before it reads what arrived
 * meanwhile: after a pause of ten seconds it would refuse every request in transit. Such a request gets its time once more.
 */
const BEAT_MS = 250;
/** A beat that is later than this indicates a pause. */
const PAUSE_MS = 750;
/** How long after a pause requests are spared: Node looks for slow requests once a second. */
const AFTERMATH_MS = 1_500;

export class PauseWatch {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #lastRequests = new WeakMap<Socket, IncomingMessage>();
  #beatMs: number;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  /** `graceMs` is the time that a spared request gets. */
  constructor(clock: Clock, server: Server, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#beatMs = clock.now();
    server.on('request', (request: IncomingMessage) => this.#lastRequests.set(request.socket, request));
    server.on('listening', () => this.#beat());
    server.on('close', () => this.#timer?.cancel());
  }

  get isAfterPause(): boolean {
    this.#look();
    return this.#clock.now() - this.#pausedUntilMs < AFTERMATH_MS;
  }

  /** Calls `refuse` if the connection's next request is not complete within its time, counted from now. */
  spare(socket: Socket, refuse: () => void): void {
    const before = this.#lastRequests.get(socket);
    const isBodyAwaited = before?.complete === false;
    const timer = this.#clock.setTimer(this.#graceMs, () => {
      const last = this.#lastRequests.get(socket);
      const awaited = isBodyAwaited || last !== before ? last : undefined;
      if (!socket.destroyed && awaited?.complete !== true) refuse();
    });
    socket.once('close', () => timer.cancel());
  }

  #beat(): void {
    this.#look();
    this.#timer = this.#clock.setTimer(BEAT_MS, () => this.#beat());
  }

  #look(): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#beatMs > BEAT_MS + PAUSE_MS) this.#pausedUntilMs = nowMs;
    this.#beatMs = nowMs;
  }
}
