import type { CircuitBreaker } from './circuit-breaker.ts';

/**
 * Whether failures that may be a request's own are the server's. llama.cpp answers 500 to a picture for a model that sees
 * none, to text that is not Unicode and to output that it cannot parse, and to everything once it is broken. Such a failure
 * says nothing against a server that answers others in between. Where several come in a row, or one call was to decide
 * whether the server is well again, a request that is known to be good decides: the breaker opens if that one fails too.
 */
export class ServerDoubt {
  readonly #breaker: CircuitBreaker;
  readonly #ask: AskReference | undefined;
  readonly #closing = new AbortController();
  /** Unclear failures since the last answer. */
  #unclear = 0;
  #isAsking = false;
  /** Reference calls made so far. */
  asked = 0;

  /** Without `ask` nothing is known to be good, and unclear failures in a row are the server's. */
  constructor(breaker: CircuitBreaker, ask: AskReference | undefined) {
    this.#breaker = breaker;
    this.#ask = ask;
  }

  /** Something was answered. */
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
      // The next unclear failure asks again.
      this.#breaker.left();
      return;
    }
    this.#unclear = 0;
    if (verdict === 'well') this.#breaker.succeeded();
    else this.#breaker.trip();
  }
}

/** What a reference call shows of its server; `unknown` where it was not made, or did not end. */
export type ServerVerdict = 'well' | 'ill' | 'unknown';

/** Makes a request that is known to be good. Never rejects. */
export type AskReference = (model: string, signal: AbortSignal) => Promise<ServerVerdict>;

/** As many as failures of any other kind that open the breaker. */
const IN_A_ROW = 5;
