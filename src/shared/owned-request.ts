import type { Observation } from './domain.ts';
import { type InParts, inOneGo, PART_MEMBERS } from './in-parts.ts';
import type { PlanRequest } from './plan-request.ts';
import type { StringHash } from './signature.ts';

/** The Q-values of a long request, read once. */
interface ValueSummary {
  /** Lowest and highest value of the actions that have one; `low` is above `high` if none has. */
  readonly low: number;
  readonly high: number;
  /** The actions with the highest values, best first, the earlier one on a tie; at most `BEST_MAX`. */
  readonly best: readonly Valued[];
}

export type Valued = readonly [action: string, value: number];

export const BEST_MAX = 256;

/** Number of actions from which a pass over them costs more than remembering its result. */
const LONG_ACTIONS = 1_000;

export function isLong(actions: readonly string[]): boolean {
  return actions.length >= LONG_ACTIONS;
}

/** Whether two lists hold the same actions in the same order. */
export function areEqual(actions: readonly string[], others: readonly string[]): boolean {
  if (actions.length !== others.length) return false;
  for (let i = 0; i < actions.length; i++) if (actions[i] !== others[i]) return false;
  return true;
}

/** What was found out about a request before it was planned. */
interface Findings {
  readonly askedAtMs: number;
  readonly values: ValueSummary;
  readonly actionsSum: StringHash;
}

/**
 * A long request that nothing changes any more, so that findings about it stay valid: its values are read once, and it is not
 * copied. It is either a copy, or came over a wire and was checked in parts (`Planner.own`).
 */
export class OwnedRequest implements PlanRequest {
  readonly agent: string;
  readonly observation: Observation;
  readonly actions: readonly string[];
  declare readonly domain?: string;
  declare readonly qValues?: Readonly<Record<string, number>>;
  readonly #findings: Findings | undefined;
  #values: ValueSummary | undefined;

  constructor({ agent, observation, actions, qValues, domain }: PlanRequest, findings?: Findings) {
    this.agent = agent;
    this.observation = observation;
    this.actions = actions;
    if (qValues !== undefined) this.qValues = qValues;
    if (domain !== undefined) this.domain = domain;
    this.#findings = findings;
    this.#values = findings?.values;
  }

  /** Accepts any value, including proxies, whose traps may throw. */
  static is(value: unknown): value is OwnedRequest {
    return typeof value === 'object' && value !== null && #findings in value;
  }

  /** When it was asked for, by the clock of the planner that checked it; undefined for a copy. */
  get askedAtMs(): number | undefined {
    return this.#findings?.askedAtMs;
  }

  /** The sum of the hashes of its actions, if known. */
  get actionsSum(): StringHash | undefined {
    return this.#findings?.actionsSum;
  }

  get values(): ValueSummary {
    this.#values ??= inOneGo(valuesInParts(this));
    return this.#values;
  }
}

/** Returns the Q-value of an action, if one was given. Inherited members such as "constructor" are not numbers. */
export function qValueOf(request: Pick<PlanRequest, 'qValues'>, action: string): number | undefined {
  const value: unknown = request.qValues?.[action];
  return typeof value === 'number' ? value : undefined;
}

/** Summarizes the Q-values in one pass over the actions. */
export function* valuesInParts(request: Pick<PlanRequest, 'actions' | 'qValues'>): InParts<ValueSummary> {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const best = new BestValued(BEST_MAX);
  if (request.qValues === undefined) return { low, high, best: best.list };
  for (let i = 0; i < request.actions.length; i++) {
    if ((i + 1) % PART_MEMBERS === 0) yield;
    const action = request.actions[i] as string;
    const value = qValueOf(request, action);
    if (value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
    best.add(action, value);
  }
  return { low, high, best: best.list };
}

/** Collects the actions with the highest values, best first, the earlier one on a tie. One pass, so that long lists are cheap. */
export class BestValued {
  readonly list: Valued[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  add(action: string, value: number): void {
    const { list } = this;
    const worst = list.at(-1);
    if (list.length >= this.#max && worst !== undefined && value <= worst[1]) return;
    let at = list.length;
    while (at > 0 && (list[at - 1] as Valued)[1] < value) at--;
    list.splice(at, 0, [action, value]);
    if (list.length > this.#max) list.pop();
  }
}
