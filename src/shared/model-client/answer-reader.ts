import { asPlannerError, PlannerError } from '../errors.ts';
import { type AnswerBounds, AnswerBytes } from './answer-bytes.ts';
import { isDone, type TokenUsage } from './chat-event.ts';
import type { CallPhase } from './failures.ts';
import type { ResponseSink } from './transport.ts';

export interface ReaderPorts {
  readonly isEventStream: boolean;
  /** Called when part of the answer, or of the thought before it, has arrived. */
  readonly onToken: () => void;
  /** Called when every choice has ended. The tokens that may follow are waited for at most `AFTER_FINISH_MS`. */
  readonly onFinished: () => void;
  /** Called once: without an argument when the answer is complete, else with the failure. */
  readonly onSettled: (failure?: PlannerError) => void;
  /** Stops the response, because no more of its body is wanted. */
  readonly stop: () => void;
  /** Called when the response has ended in any way; its connection is free or gone. */
  readonly onEnded: () => void;
}

/** The server's own words when it refused a call. */
export interface Refusal {
  readonly status: number;
  /** An object with a message from OpenAI servers; from others a text, or nothing. */
  readonly error: unknown;
}

/**
 * Reads one answer, a stream of events or a single JSON body, and reports its end once through `ReaderPorts`. Subclasses read what an
 * event or a body holds, and decide when the answer is whole.
 */
export abstract class AnswerReader implements ResponseSink {
  /** Number of events with part of the answer, or of the thought before it. */
  chunks = 0;
  phase: CallPhase = 'first-token';
  /** Whether the server has nothing more to send, so that the connection can be used again. */
  ended = false;
  /** The server's words for an error that came in the answer. */
  refusal: Refusal | undefined;
  /** The model that the server names in the answer. */
  abstract readonly model: string | undefined;
  abstract readonly usage: TokenUsage;
  protected readonly ports: ReaderPorts;
  protected readonly bytes: AnswerBytes;
  protected isSettled = false;
  #isDone = false;

  constructor(ports: ReaderPorts, bounds: AnswerBounds) {
    this.ports = ports;
    this.bytes = new AnswerBytes(ports.isEventStream, bounds, {
      onBytes: (chunk, isEventStream) => this.onBytes(chunk, isEventStream),
      onEvent: (data, name) => this.#onEvent(data, name),
    });
  }

  /** Whether the answer is whole: only the end of its response may be missing. */
  protected get isWhole(): boolean {
    return this.#isDone;
  }

  protected abstract onEvent(data: string, name?: string): void;

  /** Settles with the JSON body in `bytes`. Before the response has ended, only if the body is whole. */
  protected abstract readBody(isEnded: boolean): void;

  /** Called after each network read that leaves the answer open. */
  protected afterRead(): void {}

  /** Called with each piece of the answer before it is read. */
  protected onBytes(_chunk: Buffer, _isEventStream: boolean): void {}

  /** The failure of a stream that ended without an answer. */
  protected endFailure(): PlannerError | undefined {
    return undefined;
  }

  /** The failure of a response without a body. */
  protected emptyFailure(): PlannerError {
    return new PlannerError('ERR_MODEL_EMPTY', 'the response has no body');
  }

  /** The failure of an answer that was cut short. */
  protected cutFailure(message: string, cause?: Error): PlannerError {
    return new PlannerError('ERR_MODEL_RESET', message, { cause });
  }

  onData(chunk: Buffer): void {
    if (this.isSettled) return;
    if (!this.bytes.push(chunk)) return this.flood();
    if (this.isSettled) return;
    if (this.#isDone) this.finish();
    else this.afterRead();
  }

  onEnd(): void {
    this.#end();
    if (!this.isSettled) this.bytes.end();
    if (this.isSettled) return;
    if (!this.bytes.isBody) this.#endStream();
    else if (this.bytes.isEmpty) this.settle(this.emptyFailure());
    else this.readBody(true);
  }

  onError(error: Error): void {
    this.#end();
    // The model may have finished; then only the end of the response is missing.
    if (!this.endWhole()) this.settle(this.cutFailure('the connection ended mid-answer', error));
  }

  /** Settles with the answer if only the end of its response is missing. Returns false if the answer is not whole. */
  endWhole(): boolean {
    if (this.isSettled) return true;
    if (this.isWhole) this.finish();
    else if (this.bytes.isBody) this.readBody(false);
    return this.isSettled;
  }

  /** Reports that part of the answer, or of the thought before it, has arrived, in this many events. */
  protected alive(events = 1): void {
    this.phase = 'stream';
    this.chunks += events;
    this.ports.onToken();
  }

  protected finish(): void {
    this.settle(this.endFailure());
  }

  protected settle(failure?: PlannerError): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.ports.onSettled(failure);
  }

  /** Settles, and closes the connection. */
  protected stop(failure?: PlannerError): void {
    this.settle(failure);
    this.ports.stop();
  }

  protected flood(): void {
    this.stop(new PlannerError('ERR_MODEL_TOO_LARGE', `the answer passed its bound after ${this.bytes.count} bytes`));
  }

  /** Calls a listener. An error that it throws is a bug, and ends the call: nothing above the socket's read would catch it. */
  protected report(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.stop(asPlannerError(error));
    }
  }

  #end(): void {
    this.ended = true;
    this.ports.onEnded();
  }

  #endStream(): void {
    if (this.isWhole) this.finish();
    else this.settle(this.cutFailure('the stream ended without [DONE] or a finish reason'));
  }

  #onEvent(data: string, name: string | undefined): void {
    if (this.isSettled || this.#isDone) return;
    if (isDone(data)) this.#isDone = true;
    else this.onEvent(data, name);
  }
}
