/**
 * Returns a JSON value with well-formed Unicode texts: half of a surrogate pair becomes U+FFFD. Servers parse requests as UTF-8
 * and fail on such a text, llama.cpp with status 500. Returns the same object if nothing is wrong, including the names of
 * members.
 */
export function wellFormed<T>(value: T): T {
  return isWellFormed(value) ? value : (mended(value) as T);
}

/** Writes a value as JSON with well-formed Unicode texts. */
export function wellFormedJson(value: object): string {
  const json = JSON.stringify(value);
  // Half of a surrogate pair is written as an escape: without one, everything is well-formed, and need not be walked.
  return json.includes('\\ud') ? JSON.stringify(wellFormed(value)) : json;
}

type Members = Readonly<Record<string, unknown>>;

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.every(isWellFormed);
  // For an object of 100,000 members, entries take three times as long as names.
  return Object.keys(value).every((name) => name.isWellFormed() && isWellFormed((value as Members)[name]));
}

function mended(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(mended);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toWellFormed(), mended(member)]));
}
