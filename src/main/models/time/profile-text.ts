import { createHash } from 'node:crypto';
import { PHASES, type SavedProfile } from './latency-profile.ts';

/**
 * Profiles as the text of a file. Two lines: the file type with the checksum of the second line, and the profiles, the oldest
 * first. Text that does not match its checksum is not parsed.
 */
export type ProfileEntry = readonly [key: string, profile: SavedProfile];

/** Increases when buckets or phases change their meaning. */
const VERSION = 1;
const FORMAT = 'conclave profiles';
export const PROFILES_MAX = 1_000;
export const PROFILE_BYTES_MAX = 5_000_000;
/** Maximum size of the first line. */
const HEADER_BYTES_MAX = 200;

/** Joins profiles, each given as text, the oldest first; if they do not all fit, the oldest are left out. */
export function profilesText(profiles: readonly string[]): string {
  let first = profiles.length;
  let bytes = HEADER_BYTES_MAX;
  while (first > 0 && profiles.length - first < PROFILES_MAX) {
    bytes += Buffer.byteLength(profiles[first - 1] as string) + 1;
    if (bytes > PROFILE_BYTES_MAX) break;
    first--;
  }
  const body = `[${profiles.slice(first).join(',')}]`;
  return `${JSON.stringify({ format: FORMAT, version: VERSION, sha256: sha256(body) })}\n${body}\n`;
}

/** The profiles in a text, or what is wrong with it. */
export function parseProfiles(text: string): readonly ProfileEntry[] | string {
  const [first = '', body = ''] = text.split('\n', 2);
  const header = parseJson(first) as { format?: unknown; version?: unknown; sha256?: unknown } | null | undefined;
  if (header?.format !== FORMAT) return 'it holds something else';
  if (header.version !== VERSION) return `it is of version ${JSON.stringify(header.version)}, not ${VERSION}`;
  if (header.sha256 !== sha256(body)) return 'it is damaged';
  const entries = parseJson(body);
  // Text with a valid checksum was written here; this check is for the types.
  if (!Array.isArray(entries) || !entries.every(isEntry)) return 'its profiles are none';
  return entries;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isEntry(entry: unknown): entry is ProfileEntry {
  if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') return false;
  const profile: unknown = entry[1];
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
