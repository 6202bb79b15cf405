/** Replaces a secret in texts. */
export const HIDDEN = '[hidden]';
/** Minimum length of a secret. A shorter one would be found inside ordinary words. */
const SECRET_CHARS_MIN = 6;

/** Secrets known by their value, which are removed from any text. */
export class SecretValues {
  /** Longest first, because one may begin with another. */
  #values: readonly string[] = [];

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }

  add(value: string | undefined): void {
    if (value === undefined || value.length < SECRET_CHARS_MIN) return;
    // The value as it appears inside JSON, and inside JSON within JSON.
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
