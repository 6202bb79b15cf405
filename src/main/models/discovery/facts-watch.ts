import type { Clock } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { type EndpointFacts, NO_FACTS } from './endpoint-facts.ts';

/**
 * Keeps the facts about a server current: it may be restarted with other slots or another model, or may have been down when the
 * planner started. Asks again at the first sign of life after a failure that a restart may have caused, and every few minutes of
 * use. There is no timer, since only calls need the facts. Asks one question at a time, at intervals that grow while nothing is
 * learned.
 */
export class FactsWatch {
  readonly #clock: Clock;
  readonly #ask: AskFacts;
  readonly #onLearnt: (facts: EndpointFacts) => void;
  readonly #closing = new AbortController();
  #known: EndpointFacts = NO_FACTS;
  /** Whether something has happened since the last answer that may have changed the facts. */
  #isDoubted = true;
  #isAsking = false;
  #askedAtMs: number;
  #gapMs = GAP_MS_MIN;
  /** Number of questions since the start. */
  asked = 0;

  constructor(clock: Clock, ask: AskFacts, onLearnt: (facts: EndpointFacts) => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#onLearnt = onLearnt;
    this.#askedAtMs = clock.now();
  }

  /** Sets the known facts. */
  learnt(facts: EndpointFacts): void {
    this.#known = facts;
    this.#isDoubted = isNothing(facts);
    this.#askedAtMs = this.#clock.now();
  }

  /** The connection failed, or the endpoint started to rest: another server may be there when it is back. */
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
    // Failures from now on may be newer than the answer.
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

/** Interval between questions without a specific reason. */
const RENEW_MS = 120_000;
/** Shortest interval between questions when there is a reason. */
const GAP_MS_MIN = 1_000;

function isNothing({ kind, models }: EndpointFacts): boolean {
  return kind === 'unknown' && models.length === 0;
}

/** A busy server reports less: facts missing from its new answer stay, unless it is now another kind of server. */
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
