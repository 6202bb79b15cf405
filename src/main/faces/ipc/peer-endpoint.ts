import type { Endpoint } from 'comlink';
import { type ErrorWire, encodeError, PlannerError } from '../../../shared/errors.ts';
import { deliver } from './channel.ts';

type Listener = Parameters<Endpoint['addEventListener']>[1];

export interface PeerEndpointParts {
  /** Sends to the peer. Throws what cannot be cloned. */
  post(message: unknown): void;
  /** The first call waits for its reply, or the last one has it. */
  onBusy(isBusy: boolean): void;
}

/**
 * The host's side of the channel, as comlink sees it: one that answers every call. What the peer cannot answer, since it has
 * ended or since the call cannot be cloned, is answered here with an error, in the form in which a reply comes. So comlink
 * keeps nothing of it, and every call settles.
 */
export class PeerEndpoint implements Endpoint {
  readonly #parts: PeerEndpointParts;
  readonly #listeners = new Set<Listener>();
  /** The ids of calls without a reply. */
  readonly #waiting = new Set<string>();
  #ended: ErrorWire | undefined;

  constructor(parts: PeerEndpointParts) {
    this.#parts = parts;
  }

  /** Calls that wait for their reply. */
  get waiting(): number {
    return this.#waiting.size;
  }

  postMessage(message: { readonly id: string }): void {
    const { id } = message;
    if (this.#ended !== undefined) return this.#answer(id, this.#ended);
    this.#waiting.add(id);
    if (this.#waiting.size === 1) this.#parts.onBusy(true);
    try {
      this.#parts.post(message);
    } catch (error) {
      // What cannot be cloned is for its caller to know; the channel is as it was.
      this.#settle(id, notSent(error));
    }
  }

  /** Hears a reply of the peer. One that nobody waits for is dropped. */
  hear(reply: unknown): void {
    const id = (reply as { readonly id?: unknown } | null | undefined)?.id;
    if (typeof id !== 'string' || !this.#waiting.delete(id)) return;
    deliver(this.#listeners, reply);
    if (this.#waiting.size === 0) this.#parts.onBusy(false);
  }

  /** The peer is gone: answers every call that waits, and every later one, with `error`. */
  end(error: ErrorWire): void {
    this.#ended ??= error;
    for (const id of [...this.#waiting]) this.#settle(id, this.#ended);
  }

  addEventListener(_type: string, listener: Listener): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: string, listener: Listener): void {
    this.#listeners.delete(listener);
  }

  #settle(id: string, error: ErrorWire): void {
    this.#waiting.delete(id);
    this.#answer(id, error);
    if (this.#waiting.size === 0) this.#parts.onBusy(false);
  }

  #answer(id: string, error: ErrorWire): void {
    deliver(this.#listeners, { id, type: 'RAW', value: { ok: false, error } });
  }
}

function notSent(error: unknown): ErrorWire {
  const said = error instanceof Error ? error.message : String(error);
  return encodeError(new PlannerError('ERR_REQUEST_INVALID', `the call must be plain data: ${said}`));
}
