import { PlannerError } from '../errors.ts';
import { SecretValues } from '../secret-values.ts';
import type { EndpointAddress } from '../tasks.ts';
import type { Refusal } from './answer-reader.ts';

/**
 * What an endpoint is called with and nobody else may read. A server that refuses a key may say it again in its error, and
 * that goes on to whoever asked for a plan or a chat, into logs, and onto the page.
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

  /** The same failure without them. */
  ofFailure(failure: PlannerError): PlannerError {
    const { code, message, retryable, cause } = failure;
    const hidden = this.#values.hide(message);
    return hidden === message ? failure : new PlannerError(code, hidden, { retryable, cause });
  }

  ofRefusal({ status, error }: Refusal): Refusal {
    // Bytes of a server: JSON whatever they are.
    const text = JSON.stringify(error ?? null);
    const hidden = this.#values.hide(text);
    return { status, error: hidden === text ? error : JSON.parse(hidden) };
  }
}
