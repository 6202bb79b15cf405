import type { Clock } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { type EndpointFacts, NO_FACTS } from './endpoint-facts.ts';

/**
 * Keeps what is known of a server true while it runs: a server is restarted with other slots or another model, or was down
 * when the planner started. It is asked again at the first sign of life after a failure that a restart may have caused, and
 * every few minutes of use; there is no timer, since facts are of use to calls alone. One question at a time, at intervals
 * that grow while nothing is learnt.
 */
export class FactsWatch {
  readonly #clock: Clock;
  readonly #ask: AskFacts;
  readonly #onLearnt: (facts: EndpointFacts) => void;
  readonly #closing = new AbortController();
  #known: EndpointFacts = NO_FACTS;
  /** Whether something has happened since the last answer that may have changed them. */
  #isDoubted = true;
  #isAsking = false;
  #askedAtMs: number;
  #gapMs = GAP_MS_MIN;
  /** Questions since the start. */
  asked = 0;

  constructor(clock: Clock, ask: AskFacts, onLearnt: (facts: EndpointFacts) => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#onLearnt = onLearnt;
    this.#askedAtMs = clock.now();
  }

  /** What is known from now on. */
  learnt(facts: EndpointFacts): void {
    this.#known = facts;
    this.#isDoubted = isNothing(facts);
    this.#askedAtMs = this.#clock.now();
  }

  /** The connection failed, or the endpoint began to rest: it may be another server when it is back. */
  doubted(): void {
    this.#isDoubted = true;
  }

  /** The server has answered a call. */
  answered(): void {
    const sinceMs = this.#clock.now() - this.#askedAtMs;
    if (this.#isAsking || sinceMs < (this.#isDoubted ? this.#gapMs : RENEW_MS)) return;
    void this.#renew();
  }

  close(): void {
    this.#closing.abort();
  }

  async #renew(): Promise<void> {
    this.#isAsking = true;
    this.#askedAtMs = this.#clock.now();
    this.asked++;
    // What fails from now on may be after the answer.
    this.#isDoubted = false;
    const fresh = await this.#ask(this.#closing.signal);
    this.#isAsking = false;
    if (this.#closing.signal.aborted) return;
    if (isNothing(fresh)) {
      this.#isDoubted = true;
      this.#gapMs = Math.min(RENEW_MS, this.#gapMs * 2);
      return;
    }
    this.#gapMs = GAP_MS_MIN;
    this.#known = renewed(this.#known, fresh);
    this.#onLearnt(this.#known);
  }
}

/** Asks a server what it is and has. Never rejects. */
export type AskFacts = (signal: AbortSignal) => Promise<EndpointFacts>;

/** Without a reason, it is asked again after this long. */
const RENEW_MS = 120_000;
/** With one, not sooner than this after the last time. */
const GAP_MS_MIN = 1_000;

function isNothing({ kind, models }: EndpointFacts): boolean {
  return kind === 'unknown' && models.length === 0;
}

/** At a busy moment a server tells less: what it was silent about stays, unless it is another kind of server by now. */
function renewed(known: EndpointFacts, fresh: EndpointFacts): EndpointFacts {
  if (fresh.kind !== known.kind) return fresh;
  const slots = fresh.slots ?? known.slots;
  return {
    ...fresh,
    ...defined({ slots }),
    models: fresh.models.length > 0 ? fresh.models : known.models,
    tellsSlots: fresh.tellsSlots || known.tellsSlots,
  };
}
