import { APIError, type OpenAI } from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import type { Clock, Timer } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import type { CallReport } from '../tasks.ts';
import { UNWANTED } from '../unwanted.ts';
import type { AnswerReader, ReaderPorts, Refusal } from './answer-reader.ts';
import { CallWatch, type PhaseLimits } from './call-watch.ts';
import { type CallPhase, callFailure, serverFailure, timeoutFailure } from './failures.ts';
import { BYTES_HEADERS } from './lean-sdk.ts';
import { promptChars } from './prompt-chars.ts';
import type { StreamedResponse, TransportInit } from './transport.ts';

/** The body of a request that is passed on, and its path below the base URL. */
export interface PassedBody {
  readonly path: string;
  readonly bytes: Buffer;
}

export interface AttemptTerms<R extends AnswerReader> {
  readonly body: ChatCompletionCreateParams | PassedBody;
  /** Time limit of the whole call, in milliseconds. Its failure names the phase that was running. */
  readonly timeoutMs: number;
  /** Shorter time limits of its phases, if known. Not used without a stream. */
  readonly phases?: PhaseLimits | undefined;
  /** True if the answer should arrive as it is written. */
  readonly isStreamed: boolean;
  /** True if a schema was asked for, which the server may be refusing. */
  readonly isConstrained: boolean;
  readonly read: (ports: ReaderPorts) => R;
  /** Called when the call starts to wait for headers, and then for the first token. */
  readonly onPhase?: ((phase: CallPhase) => void) | undefined;
}

export interface AttemptResult<R extends AnswerReader> {
  /** Absent if the answer is whole. */
  readonly failure?: PlannerError;
  /** What the server said, if it refused the call or broke it off. */
  readonly refusal?: Refusal;
  /** Absent if there was no response. */
  readonly reader?: R;
  readonly report: CallReport;
}

/** Time after [DONE] in which a server must end the response before its connection is closed. */
const LINGER_MS = 500;

/** One call from its start until it settles, once. Never rejects. */
export class CallAttempt<R extends AnswerReader> {
  readonly #sdk: OpenAI;
  readonly #clock: Clock;
  readonly #terms: AttemptTerms<R>;
  readonly #signal: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #watch: CallWatch;
  #phase: CallPhase = 'connect';
  /** The status of an error response. */
  #errorStatus: number | undefined;
  #refusal: Refusal | undefined;
  #onTimeout: (afterMs: number) => void = () => {};
  #response: StreamedResponse | undefined;
  #reader: R | undefined;
  #lingerTimer: Timer | undefined;

  constructor(sdk: OpenAI, clock: Clock, terms: AttemptTerms<R>, signal: AbortSignal | undefined) {
    this.#sdk = sdk;
    this.#clock = clock;
    this.#terms = terms;
    this.#signal = signal;
    const limits = terms.isStreamed ? terms.phases : undefined;
    this.#watch = new CallWatch(clock, terms.timeoutMs, limits, (afterMs) => this.#onTimeout(afterMs));
  }

  run(): Promise<AttemptResult<R>> {
    const { promise, resolve } = Promise.withResolvers<AttemptResult<R>>();
    let settled = false;
    const settle = (failure?: PlannerError): void => {
      if (settled) return;
      settled = true;
      this.#watch.dispose();
      this.#signal?.removeEventListener('abort', onAbort);
      resolve(this.#end(failure));
      // After this read, because most servers end the response in the packet that contains [DONE].
      if (failure === undefined) queueMicrotask(() => this.#linger());
    };
    const onAbort = (): void => {
      settle(new PlannerError('ERR_CANCELLED', 'the call was cancelled'));
      this.#controller.abort(UNWANTED);
    };
    this.#onTimeout = (afterMs) => {
      if (this.#reader?.endWhole()) return;
      settle(this.#timedOut(afterMs));
      // In the next turn, because closing a socket takes longer than settling, and other timers are due at the same time.
      this.#clock.nextTurn(() => this.#controller.abort(UNWANTED));
    };
    if (this.#signal?.aborted) onAbort();
    else {
      this.#signal?.addEventListener('abort', onAbort, { once: true });
      this.#open().then(
        (response) => this.#read(response, settle),
        (error: unknown) => {
          if (error instanceof APIError && error.status !== undefined)
            this.#refusal = { status: error.status, error: error.error };
          settle(callFailure(error, this.#phase, this.#terms.isConstrained));
        },
      );
    }
    return promise;
  }

  /** Stops reading until `resume`; what has already arrived is still delivered. Only the total time continues. */
  pause(): void {
    this.#watch.suspend();
    this.#response?.pause();
  }

  resume(): void {
    this.#watch.resume();
    this.#response?.resume();
  }

  #open(): Promise<Response> {
    const fetchOptions: TransportInit = {
      hooks: {
        signal: this.#controller.signal,
        onSent: () => {
          this.#phase = 'headers';
          this.#terms.onPhase?.('headers');
        },
        onStatus: (status) => {
          if (status >= 400) this.#errorStatus = status;
        },
      },
    };
    // The SDK types fetchOptions for the platform's fetch, but passes the content on to ours unchanged.
    const options = { fetchOptions } as OpenAI.RequestOptions;
    const { body } = this.#terms;
    if (!isPassed(body)) return this.#sdk.chat.completions.create(body, options).asResponse();
    return this.#sdk.post(body.path, { ...options, headers: BYTES_HEADERS, body: body.bytes }).asResponse();
  }

  /** An error status says more than the time that its page took. */
  #timedOut(afterMs: number): PlannerError {
    if (this.#errorStatus !== undefined) return serverFailure(this.#errorStatus, 'its body did not end in time');
    return timeoutFailure(this.#reader?.phase ?? this.#phase, afterMs);
  }

  #read(response: Response, settle: (failure?: PlannerError) => void): void {
    this.#watch.headers();
    this.#terms.onPhase?.('first-token');
    const type = response.headers.get('content-type')?.toLowerCase() ?? '';
    const reader = this.#terms.read({
      isEventStream: type === '' || type.includes('event-stream'),
      onToken: () => this.#watch.token(),
      onFinished: () => this.#watch.finished(),
      onSettled: settle,
      stop: () => this.#controller.abort(UNWANTED),
      onEnded: () => this.#lingerTimer?.cancel(),
    });
    this.#reader = reader;
    // asResponse() returns the result of our fetch.
    this.#response = response as unknown as StreamedResponse;
    this.#response.consume(reader);
  }

  /** Keeps the connection of a whole answer if the server ends the response soon, and closes it if not. */
  #linger(): void {
    if (this.#reader === undefined || this.#reader.ended || this.#controller.signal.aborted) return;
    this.#lingerTimer = this.#clock.setTimer(LINGER_MS, () => this.#controller.abort(UNWANTED));
  }

  #end(failure: PlannerError | undefined): AttemptResult<R> {
    return {
      ...defined({ failure, refusal: this.#refusal ?? this.#reader?.refusal, reader: this.#reader }),
      report: this.#report(failure !== undefined),
    };
  }

  #report(isCut: boolean): CallReport {
    const reader = this.#reader;
    // Without a stream everything arrives at the end, so the queue and first token times are unknown.
    const isTold = this.#terms.isStreamed;
    const { startedAtMs, queueMs, firstTokenMs, gapMsMax } = this.#watch;
    const { usage = {}, chunks = 0 } = reader ?? {};
    const isRead = (isTold && queueMs !== undefined) || usage.promptTokens !== undefined;
    const { body } = this.#terms;
    const chars = isRead && !isPassed(body) ? promptChars(body) : undefined;
    return {
      totalMs: this.#clock.now() - startedAtMs,
      ...(isTold && queueMs !== undefined ? { queueMs } : {}),
      ...(isTold && firstTokenMs !== undefined ? { firstTokenMs, ...(gapMsMax > 0 ? { gapMsMax } : {}) } : {}),
      ...(isCut && this.#watch.isWriting ? { isWriting: true as const } : {}),
      ...usage,
      ...defined({ modelAnswered: reader?.model, promptChars: chars }),
      ...(chunks === 0 || usage.completionTokens !== undefined ? {} : { chunks }),
    };
  }
}

function isPassed(body: ChatCompletionCreateParams | PassedBody): body is PassedBody {
  return 'bytes' in body;
}
