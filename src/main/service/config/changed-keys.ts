import { isRecord } from '../../../shared/untrusted-json.ts';

/** Keys compared as a whole: their parts mean nothing alone, or cannot be changed separately. */
const WHOLE = new Set(['domain', 'domains', 'serve.http.allowedHosts']);

/**
 * The keys whose values differ, as written in a configuration (`cache.entries`, `experts[1].model`), in the order of `before`, then of `after`. A
 * list whose length differs, and a value that only one side has, is reported as a whole.
 */
export function changedKeys(before: unknown, after: unknown, key = ''): string[] {
  if (WHOLE.has(key)) return JSON.stringify(before) === JSON.stringify(after) ? [] : [key];
  const isLists = Array.isArray(before) && Array.isArray(after) && before.length === after.length;
  if (isLists) return before.flatMap((item, index) => changedKeys(item, after[index], `${key}[${index}]`));
  if (!isRecord(before) || !isRecord(after)) return Object.is(before, after) ? [] : [key];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => changedKeys(before[name], after[name], key === '' ? name : `${key}.${name}`));
}
