/** Joins what the events of a stream say of one member of an answer, piece by piece. */
export type Members = Record<string, unknown>;

export function isMembers(value: unknown): value is Members {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Sets a member, also one whose name JavaScript has another use for. */
export function setMember(members: Members, name: string, value: unknown): void {
  if (name !== '__proto__') members[name] = value;
  else Object.defineProperty(members, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Texts that come whole, and again with each piece. */
const WHOLE_TEXTS: ReadonlySet<string> = new Set([
  'role',
  'type',
  'id',
  'name',
  'index',
  'status',
  'object',
  'model',
  'format',
  'mime_type',
  'media_type',
]);

/**
 * Joins pieces as official SDKs do: texts grow, lists grow, objects are joined member by member, an item of a list with an
 * index is joined with the one that has the same index, and of anything else the last one counts. Lists and objects that it
 * returns are its own and grow in place, so that all pieces together cost what their length does.
 */
export class PieceJoiner {
  /** Of each list that it made, the items by their index. */
  readonly #byIndex = new WeakMap<readonly unknown[], Map<unknown, Members>>();

  join(name: string, known: unknown, more: unknown): unknown {
    if (more === null || more === undefined) return known ?? more;
    if (typeof known === 'string') return this.#joinText(name, known, more);
    if (Array.isArray(known)) return this.#joinList(known, asParts(more));
    if (Array.isArray(more)) return this.#joinList([], more);
    if (isMembers(more)) return this.#joinMembers(isMembers(known) ? known : {}, more);
    return more;
  }

  #joinText(name: string, known: string, more: unknown): unknown {
    if (typeof more === 'string') return WHOLE_TEXTS.has(name) ? more || known : known + more;
    if (Array.isArray(more)) return this.#joinList(asParts(known), more);
    return this.join(name, undefined, more);
  }

  #joinMembers(known: Members, more: Members): Members {
    for (const [name, value] of Object.entries(more)) {
      const before = Object.hasOwn(known, name) ? known[name] : undefined;
      setMember(known, name, this.join(name, before, value));
    }
    return known;
  }

  #joinList(known: unknown[], more: readonly unknown[]): unknown[] {
    for (const item of more) {
      const target = isMembers(item) ? this.#itemFor(known, item) : undefined;
      if (target === undefined) known.push(this.join('', undefined, item) ?? null);
      else this.#joinMembers(target, item as Members);
    }
    return known;
  }

  /** The item that this one continues. */
  #itemFor(list: unknown[], item: Members): Members | undefined {
    const last = list.at(-1);
    if (item.index === undefined || item.index === null) {
      return isTextPart(item) && isMembers(last) && isTextPart(last) ? last : undefined;
    }
    const byIndex = this.#byIndex.get(list) ?? new Map<unknown, Members>();
    this.#byIndex.set(list, byIndex);
    const found = byIndex.get(item.index);
    if (found !== undefined) return found;
    const begun: Members = {};
    byIndex.set(item.index, begun);
    list.push(begun);
    return begun;
  }
}

function isTextPart(part: Members): boolean {
  return part.type === 'text' && typeof part.text === 'string' && Object.keys(part).length === 2;
}

/** What joins a list: a text as a part of its own. */
function asParts(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string') return [value];
  return value === '' ? [] : [{ type: 'text', text: value }];
}
