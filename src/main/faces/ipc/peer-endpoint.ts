import type { Endpoint } from 'comlink';
import { type ErrorWire, encodeError, PlannerError } from '../../../shared/errors.ts';
import { deliver } from './channel.ts';

type Listener = Parameters<Endpoint['addEventListener']>[1];

interface PeerEndpointParts {
  /** Sends to the peer. Throws if the message cannot be cloned. */
  post(message: unknown): void;
  /** Called when the first call starts to wait, and when the last one has its reply. */
  onBusy(isBusy: boolean): void;
}

/**
 * The host's side of the channel for comlink, which answers every call. If the peer cannot answer, because it has exited or the call cannot be
 * cloned, the endpoint replies with an error in the peer's place. So comlink keeps no state, and every call settles.
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

  /** Number of calls that wait for a reply. */
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
      // Only the caller is affected if something cannot be cloned; the channel is unchanged.
      this.#settle(id, notSent(error));
    }
  }

  /** Takes a reply of the peer. Drops it if no call waits for it. */
  hear(reply: unknown): void {
    const id = (reply as { readonly id?: unknown } | null | undefined)?.id;
    if (typeof id !== 'string' || !this.#waiting.delete(id)) return;
    deliver(this.#listeners, reply);
    if (this.#waiting.size === 0) this.#parts.onBusy(false);
  }

  /** The peer has exited: answers every waiting and later call with `error`. */
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
