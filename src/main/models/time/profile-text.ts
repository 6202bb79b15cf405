import { createHash } from 'node:crypto';
import { faultOfSeal, jsonIn, SEAL_BYTES_MAX, type SealFormat, sealOf } from '../../cache/learned/sealed-text.ts';
import { PHASES, type SavedProfile } from './latency-profile.ts';

/**
 * What was learned, by key, as the text of a file. Two lines: the file type with the checksum of the second line, and the entries, the
 * oldest first. Text that does not match its checksum is not parsed.
 */
export type SavedEntry<Value> = readonly [key: string, value: Value];
export type ProfileEntry = SavedEntry<SavedProfile>;

/** A type of file. */
export interface EntryFormat<Value> extends SealFormat {
  /** Whether this is a value. Unknown members are no obstacle. */
  isValue(value: unknown): value is Value;
}

export const PROFILE_FORMAT: EntryFormat<SavedProfile> = { noun: 'profiles', version: 1, isValue: isProfile };

export const PROFILES_MAX = 1_000;
export const PROFILE_BYTES_MAX = 5_000_000;

/** Joins entries, each given as text, the oldest first; if they do not all fit, the oldest are left out. */
export function profilesText(profiles: readonly string[], format: SealFormat = PROFILE_FORMAT): string {
  let first = profiles.length;
  let bytes = SEAL_BYTES_MAX;
  while (first > 0 && profiles.length - first < PROFILES_MAX) {
    bytes += Buffer.byteLength(profiles[first - 1] as string) + 1;
    if (bytes > PROFILE_BYTES_MAX) break;
    first--;
  }
  const body = `[${profiles.slice(first).join(',')}]`;
  return `${sealOf(format, sha256(body))}\n${body}\n`;
}

/** The entries in a text, or what is wrong with it. */
export function parseEntries<Value>(text: string, format: EntryFormat<Value>): readonly SavedEntry<Value>[] | string {
  const [first = '', body = ''] = text.split('\n', 2);
  const fault = faultOfSeal(first, format, sha256(body));
  if (fault !== undefined) return fault;
  const entries = jsonIn(body);
  // Text with a valid checksum was written here; this check is for the types.
  if (!Array.isArray(entries) || !entries.every((entry) => isEntry(entry, format)))
    return `its ${format.noun} are none`;
  return entries;
}

function isEntry<Value>(entry: unknown, format: EntryFormat<Value>): entry is SavedEntry<Value> {
  return Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string' && format.isValue(entry[1]);
}

function isProfile(profile: unknown): profile is SavedProfile {
  if (profile === null || typeof profile !== 'object') return false;
  return PHASES.every((phase) => {
    const buckets: unknown = (profile as Partial<Record<string, unknown>>)[phase];
    return Array.isArray(buckets) && buckets.every(isBucket);
  });
}

function isBucket(bucket: unknown): boolean {
  return Array.isArray(bucket) && bucket.length === 2 && bucket.every((number) => typeof number === 'number');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
