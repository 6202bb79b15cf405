import { editDistance } from '../../../shared/nearest-name.ts';

/**
 * The listed models nearest to one that is not listed: first the same model with another instance suffix or without one
 * (`:2`, `@q4_k_m`), then those whose name begins with the other's (`phi-4` and `phi-4-mini-reasoning`), then by the edit
 * distance of their names.
 */
export function nearestModels(wanted: string, listed: readonly string[], max = 3): string[] {
  const base = baseName(wanted);
  const bare = bareName(wanted);
  const effort = { cellsLeft: CELLS_MAX };
  return listed
    .map((id) => ({
      id,
      distance: baseName(id) === base ? suffixRank(id) : nameDistance(bare, bareName(id), effort),
    }))
    .filter(({ distance }) => distance < TOO_FAR)
    .sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .slice(0, max)
    .map(({ id }) => id);
}

const TOO_FAR = Number.POSITIVE_INFINITY;
/** Longer names are compared only by how they start. */
const SPELLED_CHARS_MAX = 128;
/** Maximum pairs of characters compared in one search, a few milliseconds' worth: a server may list anything. */
const CELLS_MAX = 2_000_000;

interface Effort {
  cellsLeft: number;
}
/** Distance of names that start alike: after the same model, before names that are only spelled alike. */
const PREFIX_DISTANCE = 5;

function nameDistance(wanted: string, listed: string, effort: Effort): number {
  if (wanted.startsWith(listed) || listed.startsWith(wanted)) {
    return PREFIX_DISTANCE + Math.abs(wanted.length - listed.length) / 100;
  }
  const distanceMax = Math.max(3, Math.ceil(Math.max(wanted.length, listed.length) * 0.6));
  // They differ by at least as many characters.
  if (Math.abs(wanted.length - listed.length) >= distanceMax) return TOO_FAR;
  if (Math.max(wanted.length, listed.length) > SPELLED_CHARS_MAX || effort.cellsLeft <= 0) return TOO_FAR;
  effort.cellsLeft -= wanted.length * listed.length;
  const distance = editDistance(wanted, listed);
  return distance < distanceMax ? 2 * PREFIX_DISTANCE + distance : TOO_FAR;
}

/** Whether two ids name the same model but for their instance suffix. */
export function isSameModel(a: string, b: string): boolean {
  return baseName(a) === baseName(b);
}

/** The id in lower case, without instance suffixes. Scans character by character from the end: a pattern for all suffixes takes cubic time. */
function baseName(id: string): string {
  const name = id.toLowerCase();
  let end = name.length;
  if (!name.includes(':') && !name.includes('@')) return name;
  for (let at = end - 1; at >= 0; at--) {
    const char = name.charCodeAt(at);
    if (char !== COLON && char !== AT) {
      if (char > 127 || SUFFIX_CHARS[char] === 0) break;
    } else if (at + 1 < end) end = at;
    else break;
  }
  return name.slice(0, end);
}

const [COLON, AT] = [0x3a, 0x40];
/** Indexed by character code: 1 for letters, digits and `_.-`. */
const SUFFIX_CHARS = Uint8Array.from({ length: 128 }, (_, code) => Number(/[\w.-]/.test(String.fromCharCode(code))));

/** The id without publisher and path: the part that people remember. */
function bareName(id: string): string {
  return baseName(id)
    .replace(/^.*\//, '')
    .replace(/\.gguf$/, '');
}

function suffixRank(id: string): number {
  return baseName(id) === id.toLowerCase() ? 0 : 1;
}
