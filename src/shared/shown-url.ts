import { HIDDEN } from './secret-values.ts';

/** Matches a part of a path that looks like a key and not a word: by a typical prefix, as a UUID, or as a long run of letters and digits. */
const KEY_PREFIX = /^(?:sk|pk|rk|key|token|secret|bearer)[-_=.].{6,}/i;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const LONG_RUN = /[A-Za-z\d_]{20,}/;

/**
 * Returns the address of a server for messages, names, reports and logs: its host, the parts of its path that do not look like
 * keys, and only the names in its query. Anything but a URL is not shown at all.
 */
export function shownURL(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return HIDDEN;
  const { protocol, host, search, username } = parsed;
  const user = username === '' ? '' : `${HIDDEN}@`;
  const names = [...new URLSearchParams(search).keys()].map((name) => `${shownPart(name)}=${HIDDEN}`);
  const query = names.length === 0 ? '' : `?${names.join('&')}`;
  return `${protocol}//${user}${host}${shownPath(url)}${query}`;
}

/** Returns the path of a URL as it was written. */
export function shownPath(url: string): string {
  const path = /^[^:]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '';
  return path.split('/').map(shownPart).join('/');
}

function shownPart(part: string): string {
  const text = decoded(part);
  const isRun = LONG_RUN.test(text) && /\d/.test(text) && /[A-Za-z]/.test(text);
  return KEY_PREFIX.test(text) || UUID.test(text) || isRun ? HIDDEN : part;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
