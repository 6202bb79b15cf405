import { setMember } from '../../../shared/json-parts.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';
import type { Members, PieceJoiner } from './pieces.ts';

interface ToolCall {
  /** The number that the server gave it; undefined if it does not number calls. */
  readonly key: unknown;
  readonly members: Members;
}

/**
 * Assembles the tool calls of a choice from their pieces. Most servers number the calls. Others give every call the number 0, or none: there, a new
 * id starts another call, and so does a name after an earlier one. Numbers that start at 1 leave no hole.
 */
export class ToolCalls {
  readonly #calls: ToolCall[] = [];
  /** The latest call with each number. */
  readonly #latest = new Map<unknown, ToolCall>();
  readonly #byId = new Map<string, ToolCall>();
  readonly #joiner: PieceJoiner;

  constructor(joiner: PieceJoiner) {
    this.#joiner = joiner;
  }

  get isEmpty(): boolean {
    return this.#calls.length === 0;
  }

  add({ index, function: said, ...rest }: Members): void {
    const key = typeof index === 'string' && /^\d{1,6}$/.test(index) ? Number(index) : (index ?? undefined);
    const id = typeof rest.id === 'string' && rest.id !== '' ? rest.id : undefined;
    const call = this.#continued(key, id, said) ?? this.#begin(key);
    this.#latest.set(key, call);
    if (id !== undefined) this.#byId.set(nameOf(key, id), call);
    for (const [name, value] of Object.entries(rest)) {
      const before = Object.hasOwn(call.members, name) ? call.members[name] : undefined;
      if (value !== null && value !== '') setMember(call.members, name, this.#joiner.join(name, before, value));
    }
    if (isRecord(said)) call.members.function = joinFunction(functionOf(call), said);
  }

  /** The calls in the order of their numbers, if each has one. */
  list(): Members[] {
    const areNumbered = this.#calls.every(({ key }) => typeof key === 'number');
    const calls = areNumbered ? this.#calls.toSorted((a, b) => (a.key as number) - (b.key as number)) : this.#calls;
    return calls.map(({ members }) => members);
  }

  #begin(key: unknown): ToolCall {
    const call = { key, members: {} };
    this.#calls.push(call);
    return call;
  }

  /** The call that a piece continues. */
  #continued(key: unknown, id: string | undefined, said: unknown): ToolCall | undefined {
    const known = id === undefined ? undefined : this.#byId.get(nameOf(key, id));
    if (known !== undefined) return known;
    const latest = this.#latest.get(key) ?? (key === undefined ? this.#calls.at(-1) : undefined);
    if (latest === undefined) return undefined;
    if (id !== undefined) return latest.members.id === undefined || latest.members.id === id ? latest : undefined;
    return isRecord(said) && beginsAnother(functionOf(latest), said) ? undefined : latest;
  }
}

function nameOf(key: unknown, id: string): string {
  return `${String(key)} ${id}`;
}

function functionOf({ members }: ToolCall): Members {
  return isRecord(members.function) ? members.function : {};
}

/** True if a piece without an id belongs to another call: by its name, or by whole arguments after whole arguments. */
function beginsAnother(known: Members, { name, arguments: more }: Members): boolean {
  if (typeof name !== 'string' || name === '' || typeof known.name !== 'string') return false;
  if (name !== known.name) return true;
  const isWhole = typeof known.arguments === 'string' && /\}\s{0,8}$/.test(known.arguments.slice(-9));
  return isWhole && (isRecord(more) || (typeof more === 'string' && /^\s{0,8}\{/.test(more)));
}

/** Joins a piece to a function: the name comes once; the arguments in parts, or as an object instead of its text. */
export function joinFunction(known: Members, { arguments: more, ...rest }: Members): Members {
  for (const [name, value] of Object.entries(rest)) if (value !== null && value !== '') setMember(known, name, value);
  const before = typeof known.arguments === 'string' ? known.arguments : '';
  known.arguments = typeof more === 'string' ? before + more : (argumentsText(more) ?? before);
  return known;
}

/** Arguments as the text that clients expect; undefined if there are none. */
export function argumentsText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
