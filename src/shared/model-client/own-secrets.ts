import { PlannerError } from '../errors.ts';
import { SecretValues } from '../secret-values.ts';
import type { EndpointAddress } from '../tasks.ts';
import type { Refusal } from './answer-reader.ts';

/**
 * The secrets that an endpoint is called with. A server that refuses a key may repeat it in its error, which is passed on to the
 * caller, into logs, and to the page.
 */
export class OwnSecrets {
  readonly #values = new SecretValues();

  constructor({ apiKey, headers = {} }: EndpointAddress) {
    this.#values.add(apiKey);
    for (const value of Object.values(headers)) {
      this.#values.add(value);
      this.#values.add(/^(?:Bearer|Basic)\s+(\S+)$/i.exec(value)?.[1]);
    }
  }

  get isEmpty(): boolean {
    return this.#values.isEmpty;
  }

  /** Returns the same failure without the secrets. */
  ofFailure(failure: PlannerError): PlannerError {
    const { code, message, retryable, cause } = failure;
    const hidden = this.#values.hide(message);
    return hidden === message ? failure : new PlannerError(code, hidden, { retryable, cause });
  }

  ofRefusal({ status, error }: Refusal): Refusal {
    // A server may send any JSON here.
    const text = JSON.stringify(error ?? null);
    const hidden = this.#values.hide(text);
    return { status, error: hidden === text ? error : JSON.parse(hidden) };
  }
}
