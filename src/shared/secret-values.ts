/** What stands in the place of a secret. */
export const HIDDEN = '[hidden]';
/** A shorter one would be found in words that are none. */
const SECRET_CHARS_MIN = 6;

/** Secrets that are known by their value, to be cut from whatever text they got into. */
export class SecretValues {
  /** The longest first: one may begin with another. */
  #values: readonly string[] = [];

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }

  add(value: string | undefined): void {
    if (value === undefined || value.length < SECRET_CHARS_MIN) return;
    // As it looks inside of JSON, and of JSON inside of JSON.
    const escaped = JSON.stringify(value).slice(1, -1);
    const all = new Set([...this.#values, value, escaped, JSON.stringify(escaped).slice(1, -1)]);
    this.#values = [...all].sort((a, b) => b.length - a.length);
  }

  hide(text: string): string {
    let hidden = text;
    for (const value of this.#values) hidden = hidden.replaceAll(value, HIDDEN);
    return hidden;
  }
}
