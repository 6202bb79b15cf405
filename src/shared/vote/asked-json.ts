/**
 * Reads the JSON asked for, `{"thought"?, "choice", "confidence", "reason"}`, in an answer that begins with it: whole, or cut
 * short after its choice. White space may be anywhere in it. Pure, and linear in the text.
 */
export type JsonMembers = Readonly<Record<string, unknown>>;

const ASKED_KEYS: ReadonlySet<string> = new Set(['thought', 'choice', 'confidence', 'reason']);

/** Maximum number of braces, brackets and commas in a vote. Text with more is not parsed. */
const PARTS_MAX = 1_000;

/** Returns the object at the head of a text, from brace to brace. Undefined if it is not closed. */
export function closedObject(text: string): string | undefined {
  const start = text.search(/\S/);
  if (text[start] !== '{') return undefined;
  let depth = 0;
  let parts = 0;
  let isInString = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (isInString) {
      if (char === '\\') at++;
      else if (char === '"') isInString = false;
    } else if (char === '"') isInString = true;
    else if (char === '}' && --depth === 0) return text.slice(start, at + 1);
    else if ((char === '{' || char === '[' || char === ',') && ++parts > PARTS_MAX) return undefined;
    else if (char === '{') depth++;
  }
  return undefined;
}

/** Returns the members of the object asked for if an answer begins with it; what follows it does not count. */
export function askedJson(answer: string): JsonMembers | undefined {
  const json = closedObject(answer);
  if (json === undefined) return undefined;
  const members = parse(json) as JsonMembers | undefined;
  if (members === undefined || !Object.hasOwn(members, 'choice')) return undefined;
  return Object.keys(members).every((key) => ASKED_KEYS.has(key)) ? members : undefined;
}

// Unrolled, because an alternation under a star would need a stack as deep as the string is long.
const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"';
// A number is whole only if something follows it: "1" may be the first digit of "12".
const WHOLE_MEMBER = new RegExp(
  `[\\s,]*(${STRING})\\s*:\\s*(${STRING}|-?\\d[\\d.eE+-]*(?=[\\s,}])|(?:true|false|null)(?=[\\s,}]))`,
  'sy',
);
const CUT_STRING = new RegExp(`[\\s,]*(${STRING})\\s*:\\s*("[^"\\\\]*(?:\\\\.[^"\\\\]*)*)\\\\?$`, 'sy');

/**
 * Returns the whole members of a truncated object at the start of an answer whose tokens ran out; a text that was itself cut
 * ends in "…". Undefined if the answer does not begin with an object, or begins with one of other members.
 */
export function cutJson(answer: string): JsonMembers | undefined {
  const text = answer.trimStart();
  if (!/^\{\s*"(?:thought|choice)"/.test(text)) return undefined;
  const members: Record<string, unknown> = {};
  let at = 1;
  for (;;) {
    WHOLE_MEMBER.lastIndex = at;
    const member = WHOLE_MEMBER.exec(text);
    if (member === null) break;
    at = WHOLE_MEMBER.lastIndex;
    keep(members, parse(member[1] as string), parse(member[2] as string));
  }
  CUT_STRING.lastIndex = at;
  const cut = CUT_STRING.exec(text);
  const key = cut === null ? undefined : parse(cut[1] as string);
  // A truncated name is not a choice.
  if (key !== 'choice') keep(members, key, parse(`${cut?.[2]}…"`));
  return members;
}

/** Of two members with one name the last one counts, as in `JSON.parse`. */
function keep(members: Record<string, unknown>, key: unknown, value: unknown): void {
  if (typeof key === 'string' && ASKED_KEYS.has(key) && value !== undefined) members[key] = value;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
