/**
 * What must not be read by whoever reads a log or a report: the values of members that are secret by their name, and,
 * wherever they turn up in a text, the values that are known to be secret (a server's error may echo its key).
 */

const HIDDEN = '[hidden]';
/** A shorter one would be found in words that are none. */
const SECRET_CHARS_MIN = 6;
/** Nothing that is logged is deeper; a member of more is left out. */
const DEPTH_MAX = 12;

const SECRET_NAME =
  /^(?:(?:x[-_])?api[-_]?key|(?:proxy[-_]?)?authorization|(?:access|auth|bearer|http)?[-_]?token|password|secret|(?:set[-_]?)?cookies?)$/i;

/** Credentials that show by their form: in a URL, in its query, after `Bearer`. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/([a-z][a-z0-9+.-]*:\/\/)[^/?#\s"'@]*:[^/?#\s"'@]*@/gi, `$1${HIDDEN}@`],
  [/([?&](?:api[-_]?key|key|token|access_token)=)[^&#\s"']+/gi, `$1${HIDDEN}`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${HIDDEN}`],
];

/** Whether a member of this name holds a secret. `tokenFile` and `maxTokens` do not. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The secrets that are known by their value. */
export class Secrets {
  readonly #values = new Set<string>();

  add(value: string | undefined): void {
    if (value === undefined || value.length < SECRET_CHARS_MIN) return;
    this.#values.add(value);
    // As it looks inside of JSON, and of JSON inside of JSON.
    const escaped = JSON.stringify(value).slice(1, -1);
    this.#values.add(escaped).add(JSON.stringify(escaped).slice(1, -1));
  }

  /** Every text below a secret name, or below `headers`, in a configuration. */
  addFrom(config: unknown, isSecret = false, depth = 0): void {
    if (typeof config === 'string' && isSecret) this.add(config);
    if (config === null || typeof config !== 'object' || depth > DEPTH_MAX) return;
    for (const [name, value] of Object.entries(config)) {
      this.addFrom(value, isSecret || name === 'headers' || isSecretName(name), depth + 1);
    }
  }

  /** A text without them, and without what looks like credentials. */
  hide(text: string): string {
    let hidden = text;
    for (const value of this.#values) hidden = hidden.replaceAll(value, HIDDEN);
    for (const [form, instead] of FORMS) hidden = hidden.replace(form, instead);
    return hidden;
  }
}

/**
 * A copy in which the values of secret members, and those of `headers`, are hidden at any depth. Only plain objects,
 * lists and errors are looked into: what has a class of its own is left to its own way of becoming text.
 */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (depth > DEPTH_MAX) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (isSecretName(name) && member !== undefined) return [name, HIDDEN];
      return [name, name === 'headers' ? hiddenValues(member) : withoutSecrets(member, depth + 1)];
    }),
  );
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Which headers there are may be of use; what is in them is not told. */
function hiddenValues(headers: unknown): unknown {
  if (headers === null || typeof headers !== 'object') return headers === undefined ? undefined : HIDDEN;
  return Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN]));
}
