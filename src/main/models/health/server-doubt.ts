import type { CircuitBreaker } from './circuit-breaker.ts';

/**
 * Decides whether failures that may be caused by a request are the server's fault. llama.cpp answers 500 to a picture for a model
 * without vision, to text that is not Unicode and to output that it cannot parse, and to everything once it is broken. Such a
 * failure says nothing against a server that answers other requests in between. After several in a row, or if one call was to
 * decide whether the server is well again, a known-good request decides: the breaker opens if that fails too.
 */
export class ServerDoubt {
  readonly #breaker: CircuitBreaker;
  readonly #ask: AskReference | undefined;
  readonly #closing = new AbortController();
  /** Unclear failures since the last answer. */
  #unclear = 0;
  #isAsking = false;
  /** Number of reference calls so far. */
  asked = 0;

  /** Without `ask` there is no reference call, and several unclear failures in a row count as the server's. */
  constructor(breaker: CircuitBreaker, ask: AskReference | undefined) {
    this.#breaker = breaker;
    this.#ask = ask;
  }

  /** A call was answered. */
  cleared(): void {
    this.#unclear = 0;
  }

  /** A call of `model` failed in a way that may be its own fault. */
  raised(model: string): void {
    this.#unclear++;
    const isProbed = this.#breaker.stats().state === 'half-open';
    if (this.#isAsking || (!isProbed && this.#unclear < IN_A_ROW)) return;
    if (this.#ask === undefined) this.#settle('ill');
    else void this.#find(this.#ask, model);
  }

  close(): void {
    this.#closing.abort();
  }

  async #find(ask: AskReference, model: string): Promise<void> {
    this.#isAsking = true;
    this.asked++;
    try {
      this.#settle(await ask(model, this.#closing.signal));
    } finally {
      this.#isAsking = false;
    }
  }

  #settle(verdict: ServerVerdict): void {
    if (verdict === 'unknown') {
      // The next unclear failure makes another reference call.
      this.#breaker.left();
      return;
    }
    this.#unclear = 0;
    if (verdict === 'well') this.#breaker.succeeded();
    else this.#breaker.trip();
  }
}

/** What a reference call shows about its server; `unknown` if it was not made or did not end. */
export type ServerVerdict = 'well' | 'ill' | 'unknown';

/** Makes a request that is known to be good. Never rejects. */
export type AskReference = (model: string, signal: AbortSignal) => Promise<ServerVerdict>;

/** Number of unclear failures in a row after which a reference call is made: as many as other failures that open the breaker. */
const IN_A_ROW = 5;
