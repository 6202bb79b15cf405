import { HIDDEN, SecretValues } from './secret-values.ts';

/**
 * Removes what readers of logs and reports must not see: the values of members whose name marks them as secret and, anywhere in
 * a text, values known to be secret (a server's error may repeat its key).
 */

/** Maximum depth of logged values; deeper members are left out. */
const DEPTH_MAX = 12;

const SECRET_NAME =
  /^(?:(?:x[-_])?api[-_]?key|(?:proxy[-_]?)?authorization|(?:access|auth|bearer|http)?[-_]?token|password|secret|(?:set[-_]?)?cookies?)$/i;

/**
 * Credentials recognized by their form: in a URL, in its query, after `Bearer`. A password with a bare `/`, `?` or `#`, or without a
 * scheme before it, makes a URL invalid, and then it is shown in an error. Each form begins with fixed text or has a bound; otherwise a
 * long line of letters would take quadratic time.
 */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/:\/\/[^/?#\s"']+@/g, `://${HIDDEN}@`],
  [/:\/\/[^/?#\s"'@:]{0,200}:(?!\d{1,5}(?:[/?#\s"']|$))[^\s"'@]{1,200}@/g, `://${HIDDEN}@`],
  [
    /(?<![\w.-])[\w.-]{0,64}:[^\s"'@[\]]{1,200}@(?=(?:[\w.-]{1,200}|\[[\da-f:]{2,45}\]):\d{2,5}\b|(?:\d{1,3}\.){3}\d|localhost\b)/gi,
    `${HIDDEN}@`,
  ],
  [/([?&](?:api[-_]?key|key|token|access_token)=)[^&#\s"']+/gi, `$1${HIDDEN}`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${HIDDEN}`],
];

/** Removes everything from a text that is recognized as credentials by its form. */
export function withoutCredentials(text: string): string {
  return FORMS.reduce((hidden, [form, instead]) => hidden.replace(form, instead), text);
}

/** Whether a member of this name holds a secret. `tokenFile` and `maxTokens` do not. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The secrets of a process, known by their value; also hides what looks like credentials. */
export class Secrets extends SecretValues {
  /** Adds every text below a secret name, or below `headers`, in a configuration. */
  addFrom(config: unknown, isSecret = false, depth = 0): void {
    if (typeof config === 'string' && isSecret) this.add(config);
    if (config === null || typeof config !== 'object' || depth > DEPTH_MAX) return;
    for (const [name, value] of Object.entries(config)) {
      this.addFrom(value, isSecret || name === 'headers' || isSecretName(name), depth + 1);
    }
  }

  override hide(text: string): string {
    return withoutCredentials(super.hide(text));
  }
}

/**
 * Returns a copy in which the values of secret members, and those of `headers`, are hidden at any depth. Only plain objects,
 * lists and errors are searched; instances of other classes are converted to text in their own way.
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

/** Names of headers may be useful and are shown; their values are not. */
function hiddenValues(headers: unknown): unknown {
  if (headers === null || typeof headers !== 'object') return headers === undefined ? undefined : HIDDEN;
  return Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN]));
}
