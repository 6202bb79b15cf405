import { setMember } from '../../../shared/json-parts.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';

/** Joins the pieces of one member of an answer from the events of a stream. */
export type Members = Record<string, unknown>;

/** Texts that are sent in full with each piece. */
const WHOLE_TEXTS: ReadonlySet<string> = new Set(
  'role type id name index status object model format mime_type media_type'.split(' '),
);

/**
 * Joins pieces as official SDKs do: texts grow, lists grow, objects are joined member by member, list items with an index are joined with the item of
 * the same index, and for anything else the last piece counts. Returned lists and objects grow in place, so that the total cost is linear.
 */
export class PieceJoiner {
  /** The items of each list that it made, by their index. */
  readonly #byIndex = new WeakMap<readonly unknown[], Map<unknown, Members>>();

  join(name: string, known: unknown, more: unknown): unknown {
    if (more === null || more === undefined) return known ?? more;
    if (typeof known === 'string') return this.#joinText(name, known, more);
    if (Array.isArray(known)) return this.#joinList(known, asParts(more));
    if (Array.isArray(more)) return this.#joinList([], more);
    if (isRecord(more)) return this.#joinMembers(isRecord(known) ? known : {}, more);
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
      const target = isRecord(item) ? this.#itemFor(known, item) : undefined;
      if (target === undefined) known.push(this.join('', undefined, item) ?? null);
      else this.#joinMembers(target, item as Members);
    }
    return known;
  }

  /** The item that this one continues. */
  #itemFor(list: unknown[], item: Members): Members | undefined {
    const last = list.at(-1);
    if (item.index === undefined || item.index === null) {
      return isTextPart(item) && isRecord(last) && isTextPart(last) ? last : undefined;
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

/** A value as list items: a text becomes one part. */
function asParts(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string') return [value];
  return value === '' ? [] : [{ type: 'text', text: value }];
}
