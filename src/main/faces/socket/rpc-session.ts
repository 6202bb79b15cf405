import type { Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { PlannerError } from '../../../shared/errors.ts';
import { BOUNDS_RULES, UTF16_RULE } from '../../../shared/untrusted-json.ts';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import type { ByteBudget } from '../byte-budget.ts';
import type { FaceLog } from '../face.ts';
import { type LineFault, LineReader } from './line-reader.ts';
import { protocolFault } from './message-check.ts';
import { Outbox, type WaitingAnswers } from './outbox.ts';
import { RpcCalls, type RpcCounters } from './rpc-calls.ts';
import type { ResolvedRpcLimits } from './socket-options.ts';
import { PARSE_ERROR } from './wire.ts';

/**
 * One client over two streams, from its first byte to the end of its connection. Reads only while there is room for calls
 * and for answers (`docs/concurrency.md`, "A socket's life"):
 *
 *   open ──drain, end of input, line too large──▶ finishing ──all answered and taken──▶ ended ──streams closed──▶ closed
 *     └────────────────── close, slow client, stream error ─────────────────────────────────────────────────────────┘
 */
type Phase = 'open' | 'finishing' | 'ended' | 'closed';

/** Faults that cost the line, but not the connection. */
const LINE_RULES = { 'not-utf8': 'must be UTF-8', 'utf-16': UTF16_RULE, ...BOUNDS_RULES } as const;

/** How long the other side has to close after the last answer. */
const LINGER_MS = 1_000;

export interface SessionCounters extends RpcCounters, WaitingAnswers {
  /** Number of clients disconnected because they did not read. */
  slowClients: number;
}

interface SessionParts {
  readonly input: Readable;
  readonly output: Writable;
  readonly planner: ChatPlanner;
  readonly limits: ResolvedRpcLimits;
  /** Shared by all large lines of the face. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly log: FaceLog;
  readonly version: string;
  readonly counters: SessionCounters;
  /**
   * The meaning of the end of the input. `leaves`: the client has gone, and its plans are cancelled; a socket cannot distinguish a client that died
   * from one that only stopped sending. `asks-no-more`: it waits for its answers.
   */
  readonly atEnd: 'leaves' | 'asks-no-more';
  /** Whether to close the output after the last answer: a socket is ours, standard output is the process's. */
  readonly endsOutput: boolean;
}

export class RpcSession {
  readonly #parts: SessionParts;
  readonly #reader: LineReader;
  readonly #calls: RpcCalls;
  readonly #outbox: Outbox;
  readonly #closed = Promise.withResolvers<void>();
  #phase: Phase = 'open';
  #isTurnSet = false;
  #isPaused = false;
  #linger: Timer | undefined;

  constructor(parts: SessionParts) {
    const { input, output, planner, limits, clock, version, counters } = parts;
    this.#parts = parts;
    this.#reader = new LineReader(limits.messageBytesMax, {
      budget: parts.budget,
      onDropped: () => this.#setTurn(),
    });
    this.#outbox = new Outbox({
      output,
      waiting: counters,
      limits,
      clock,
      onTaken: () => this.#onTaken(),
      onSlow: (message) => this.#onSlow(message),
    });
    const send = (text: string): void => {
      this.#outbox.send(text);
      this.#setTurn();
    };
    this.#calls = new RpcCalls({ planner, limits, version, counters, send, onSettled: () => this.#setTurn() });
    input.on('data', this.#onData);
    input.on('end', this.#onEnd);
    for (const stream of new Set([input, output])) {
      stream.on('error', this.#onBroken);
      stream.on('close', this.#onBroken);
    }
  }

  /** Resolves when the session has closed completely. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Refuses new calls; ends when those in progress have been answered. */
  drain(): Promise<void> {
    this.#calls.refuse();
    this.#finish();
    return this.closed;
  }

  /** Reports why the client is refused, and ends without reading from it. */
  turnAway(error: PlannerError): void {
    this.#reader.shut();
    this.#calls.fault(error);
    this.#finish();
  }

  /** Cancels everything in progress and ends at once. */
  close(): Promise<void> {
    this.#close(new PlannerError('ERR_PLANNER_CLOSED', 'the server is closing'));
    return this.closed;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#reader.push(chunk);
    if (this.#isFull) this.#pause();
    else this.#pump();
  };

  readonly #onEnd = (): void => {
    const { input, output } = this.#parts;
    // Two streams end separately: the input closes here, and its answers are still to be sent.
    if (input !== (output as Readable | Writable)) input.off('close', this.#onBroken);
    if (this.#parts.atEnd === 'leaves') {
      this.#reader.shut();
      this.#calls.cancelAll(new PlannerError('ERR_PEER_EXITED', 'the client has left'));
    } else this.#reader.end();
    this.#pump();
    this.#finish();
  };

  readonly #onBroken = (): void => {
    this.#close(new PlannerError('ERR_PEER_EXITED', 'the client has left'));
  };

  /** Scheduling a turn for each write would be wasteful: usually nothing waits. */
  #onTaken(): void {
    if (this.#isPaused || this.#reader.hasLine || this.#phase === 'finishing') this.#setTurn();
  }

  #onSlow(message: string): void {
    this.#parts.counters.slowClients++;
    this.#parts.log.warn({ code: 'ERR_CLIENT_SLOW' }, `a client does not read and is closed: ${message}`);
    this.#close(new PlannerError('ERR_CLIENT_SLOW', message));
  }

  get #isFull(): boolean {
    return this.#calls.isFull || this.#outbox.isOver;
  }

  /** Takes lines while there is room. The rest follows in the turn after there is room again. */
  #pump(): void {
    while (!this.#isFull && this.#phase !== 'closed') {
      if (this.#calls.takeHeld()) continue;
      const line = this.#reader.next();
      if (line === undefined) return this.#resume();
      if (typeof line !== 'string') this.#onFault(line.fault);
      // Blank lines are ignored.
      else if (line !== '' && line !== '\r') this.#calls.take(line, this.#reader.takeCharge());
    }
  }

  #onFault(fault: LineFault['fault']): void {
    if (fault === 'crowded') return this.#calls.fault(this.#crowded());
    if (fault !== 'too-large') return this.#calls.fault(protocolFault(`a line ${LINE_RULES[fault]}`), PARSE_ERROR);
    const { messageBytesMax } = this.#parts.limits;
    const message = `a line must be at most ${messageBytesMax} bytes (messageBytesMax); the connection ends`;
    this.#calls.fault(new PlannerError('ERR_MESSAGE_TOO_LARGE', message));
    this.#finish();
  }

  #crowded(): PlannerError {
    const { bytesMax } = this.#parts.budget;
    const message = `large lines hold ${bytesMax} bytes together (largeMessagesBytesMax); the slowest give way`;
    return new PlannerError('ERR_PLANNER_OVERLOADED', message, { retryable: true });
  }

  /** Once a turn: writes what was sent, takes lines if there is room again, and ends if nothing is left to do. */
  #setTurn(): void {
    if (this.#isTurnSet || this.#phase === 'closed') return;
    this.#isTurnSet = true;
    this.#parts.clock.nextTurn(() => {
      this.#isTurnSet = false;
      if (this.#phase === 'closed') return;
      this.#outbox.flush();
      this.#pump();
      if (this.#phase === 'finishing') this.#wind();
    });
  }

  #finish(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'finishing';
    this.#outbox.expectEnd();
    this.#setTurn();
  }

  /** Ends when everything is answered and taken. */
  #wind(): void {
    if (!this.#calls.isIdle || this.#reader.hasLine) return;
    // A client that keeps asking is ignored from here on, or the session would never end.
    this.#reader.shut();
    if (this.#outbox.isEmpty) this.#end();
  }

  /** Everything is answered. Further input is read and dropped, or the client's system would report a reset. */
  #end(): void {
    this.#phase = 'ended';
    this.#reader.shut();
    if (!this.#parts.endsOutput) return this.#close(undefined);
    this.#resume();
    this.#parts.output.end();
    this.#linger = this.#parts.clock.setTimer(LINGER_MS, this.#onBroken);
  }

  #close(reason: Error | undefined): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#linger?.cancel();
    this.#reader.shut();
    this.#outbox.shut();
    if (reason !== undefined) this.#calls.cancelAll(reason);
    const { input, output, endsOutput } = this.#parts;
    input.off('data', this.#onData);
    input.off('end', this.#onEnd);
    for (const stream of new Set([input, output])) {
      stream.off('error', this.#onBroken);
      stream.off('close', this.#onBroken);
      if (endsOutput) stream.destroy();
    }
    // A pending write may fail later, and nothing else would handle the error.
    if (!this.#outbox.isEmpty) output.on('error', () => {});
    if (!endsOutput) input.pause();
    this.#closed.resolve();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#parts.input.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#parts.input.resume();
  }
}
