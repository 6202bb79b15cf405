import { HIDDEN, SecretValues } from './secret-values.ts';

/**
 * What must not be read by whoever reads a log or a report: the values of members that are secret by their name, and,
 * wherever they turn up in a text, the values that are known to be secret (a server's error may echo its key).
 */

/** Nothing that is logged is deeper; a member of more is left out. */
const DEPTH_MAX = 12;

const SECRET_NAME =
  /^(?:(?:x[-_])?api[-_]?key|(?:proxy[-_]?)?authorization|(?:access|auth|bearer|http)?[-_]?token|password|secret|(?:set[-_]?)?cookies?)$/i;

/**
 * Credentials that show by their form: in a URL, in its query, after `Bearer`. Each begins with fixed text, or a long line
 * of letters would take time with its square.
 */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/:\/\/[^/?#\s"']+@/g, `://${HIDDEN}@`],
  [/([?&](?:api[-_]?key|key|token|access_token)=)[^&#\s"']+/gi, `$1${HIDDEN}`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${HIDDEN}`],
];

/** A text in which nothing is left of what shows as credentials by its form. */
export function withoutCredentials(text: string): string {
  return FORMS.reduce((hidden, [form, instead]) => hidden.replace(form, instead), text);
}

/** Whether a member of this name holds a secret. `tokenFile` and `maxTokens` do not. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The secrets that are known by their value. */
export class Secrets {
  readonly #values = new SecretValues();

  add(value: string | undefined): void {
    this.#values.add(value);
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
    return withoutCredentials(this.#values.hide(text));
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
