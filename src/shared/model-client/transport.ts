import type { IncomingHttpHeaders } from 'node:http';
import { Pool } from 'undici';
import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import { UNWANTED } from '../unwanted.ts';

/**
 * The transport under the openai SDK: its `fetch`, over an undici pool of one origin. It delivers bytes as they arrive from the
 * socket, without web streams, which cost more CPU than the rest of a call (docs/decisions/0002).
 *
 * The SDK sees only the parts of a Response that it reads: status, headers, text() and json(). A streamed body is read through
 * `StreamedResponse.consume`.
 */
export interface ResponseSink {
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
}

/** Maximum number of requests that wait for a connection, in addition to those that have one. */
const WAITING_MAX = 256;
/** Maximum size of bodies that are read whole, such as model lists. */
const BODY_BYTES_MAX = 4_000_000;
/** Maximum size of error pages, whose meaning is at their start. Their connection is closed. */
const ERROR_BYTES_MAX = 64_000;

/** The read-only part of Headers that the SDK uses. Building real ones for every call has a measurable cost. */
class HeaderView {
  readonly #headers: IncomingHttpHeaders;
  constructor(headers: IncomingHttpHeaders) {
    this.#headers = headers;
  }
  get(name: string): string | null {
    const value = this.#headers[name.toLowerCase()];
    return value === undefined ? null : String(value);
  }
  has(name: string): boolean {
    return this.#headers[name.toLowerCase()] !== undefined;
  }
  *entries(): Generator<[string, string]> {
    for (const [name, value] of Object.entries(this.#headers)) if (value !== undefined) yield [name, String(value)];
  }
  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries();
  }
}

/** Pauses and resumes the bytes of a response. */
export interface ResponseFlow {
  pause(): void;
  resume(): void;
}

export class StreamedResponse {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: HeaderView;
  readonly body = null;
  readonly url: string;
  readonly #stop: () => void;
  readonly #flow: ResponseFlow | undefined;
  #sink: ResponseSink | undefined;
  /** Bytes that arrived before the sink. The SDK takes a few microtasks to return the response. */
  #early: Buffer[] = [];
  #settled: { readonly error?: Error } | undefined;

  /** `stop` closes the connection, because the rest of the body is not wanted. `flow` pauses it. */
  constructor(url: string, status: number, headers: IncomingHttpHeaders, stop: () => void, flow?: ResponseFlow) {
    this.url = url;
    this.#stop = stop;
    this.#flow = flow;
    this.status = status;
    this.ok = status >= 200 && status < 300;
    this.headers = new HeaderView(headers);
  }

  /** Takes over the body: what has arrived at once, then what follows. May be called once. */
  consume(sink: ResponseSink): void {
    this.#sink = sink;
    for (const chunk of this.#early) sink.onData(chunk);
    this.#early = [];
    if (this.#settled?.error) sink.onError(this.#settled.error);
    else if (this.#settled) sink.onEnd();
  }

  push(chunk: Buffer): void {
    if (this.#sink) this.#sink.onData(chunk);
    else this.#early.push(chunk);
  }

  settle(error?: Error): void {
    this.#settled = defined({ error });
    if (error) this.#sink?.onError(error);
    else this.#sink?.onEnd();
  }

  /** Stops reading the socket until `resume`, so that the server has to wait. */
  pause(): void {
    this.#flow?.pause();
  }

  resume(): void {
    this.#flow?.resume();
  }

  text(): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const bytesMax = this.ok ? BODY_BYTES_MAX : ERROR_BYTES_MAX;
      let bytes = 0;
      const finish = (): void => resolve(Buffer.concat(chunks).toString('utf8'));
      this.consume({
        onData: (chunk) => {
          if (bytes > bytesMax) return;
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes <= bytesMax) return;
          finish();
          this.#stop();
        },
        onEnd: finish,
        onError: reject,
      });
    });
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

export interface TransportHooks {
  /** Ends the request at any moment. Not given to the SDK, which would wrap it in a controller of its own and create a DOMException at each abort. */
  readonly signal: AbortSignal;
  /** Called when the request goes out on a connected socket. */
  onSent?(): void;
  /** Called when the headers of the response have arrived. */
  onStatus?(status: number): void;
}

/** The options that `ModelClient` passes through the SDK's `fetchOptions` to its own fetch. */
export interface TransportInit extends RequestInit {
  readonly hooks?: TransportHooks;
}

const plainByHeaders = new WeakMap<object, Record<string, string>>();

/** Converts headers for undici's dispatch. Cached by identity: those of chat calls are one object per client. */
function plainHeaders(headers: RequestInit['headers'] & object): Record<string, string> {
  const kept = plainByHeaders.get(headers);
  if (kept !== undefined) return kept;
  const plain: Record<string, string> = {};
  plainByHeaders.set(headers, plain);
  for (const [name, value] of headers as Iterable<[string, string]>) plain[name] = value;
  return plain;
}

export class Transport {
  readonly #pool: Pool;
  readonly #origin: string;
  readonly #unsentMax: number;
  /** Requests that no connection has taken yet. undici keeps aborted ones until a connection does. */
  #unsent = 0;

  constructor(baseURL: string, connectionsMax: number) {
    this.#unsentMax = connectionsMax + WAITING_MAX;
    this.#origin = new URL(baseURL).origin;
    this.#pool = new Pool(this.#origin, {
      connections: connectionsMax,
      pipelining: 1,
      // Time limits are the caller's: undici's own would cut slow answers at exactly five minutes.
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 3_000,
      // llama.cpp closes idle connections after 5 s; a server's own Keep-Alive header takes precedence.
      keepAliveTimeout: 4_000,
      allowH2: false,
    });
  }

  /** The `fetch` for the SDK. */
  readonly fetch = (input: string | URL | Request, init: TransportInit = {}): Promise<Response> => {
    const url = String(input);
    return new Promise((resolve, reject) => {
      let response: StreamedResponse | undefined;
      let abortStarted: (() => void) | undefined;
      const signal = init.hooks?.signal ?? init.signal ?? undefined;
      const fail = (error: Error): void => {
        signal?.removeEventListener('abort', onAbort);
        if (response) response.settle(error);
        else reject(error);
      };
      const onAbort = (): void => {
        abortStarted?.();
        fail(UNWANTED);
      };
      if (signal?.aborted) return onAbort();
      if (this.#unsent >= this.#unsentMax) return reject(this.#congested());
      this.#unsent++;
      let sent = false;
      const leaveQueue = (): void => {
        if (!sent) this.#unsent--;
        sent = true;
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#pool.dispatch(
        {
          path: url.slice(this.#origin.length),
          method: (init.method ?? 'GET').toUpperCase(),
          headers: init.headers === undefined ? {} : plainHeaders(init.headers),
          body: (init.body as string | null | undefined) ?? null,
        },
        {
          onRequestStart: (controller) => {
            leaveQueue();
            if (signal?.aborted) return controller.abort(UNWANTED);
            abortStarted = () => controller.abort(UNWANTED);
            init.hooks?.onSent?.();
          },
          onResponseStart: (controller, status, headers) => {
            // Informational responses such as 102 and 103 precede the response itself.
            if (status < 200) return;
            init.hooks?.onStatus?.(status);
            response = new StreamedResponse(url, status, headers, () => controller.abort(UNWANTED), controller);
            // The SDK's type requires a whole Response; it reads the members that StreamedResponse has.
            resolve(response as unknown as Response);
          },
          onResponseData: (_controller, chunk) => response?.push(chunk),
          onResponseEnd: () => {
            signal?.removeEventListener('abort', onAbort);
            response?.settle();
          },
          onResponseError: (_controller, error) => {
            leaveQueue();
            fail(error);
          },
        },
      );
    });
  };

  #congested(): PlannerError {
    return new PlannerError('ERR_ENDPOINT_BUSY', `${this.#unsentMax} calls wait for a connection to ${this.#origin}`);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
