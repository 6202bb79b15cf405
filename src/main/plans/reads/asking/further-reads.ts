import { READ_ACTIONS_MAX } from '../../../../shared/reads/labels.ts';
import { pooled, type Reading } from '../../../../shared/reads/reading.ts';
import type { Situation } from '../../../../shared/situation.ts';
import type { ReadTerms } from '../../../../shared/tasks.ts';
import type { Seat } from '../../../models/seat.ts';
import type { ReadInHand, ReadQueryParts } from './read-query.ts';
import type { SeatReader } from './seat-reader.ts';

/** Margin on the usual time of a request. */
const TIME_MARGIN = 1.2;

/** A request for another role, or for other actions. */
type FurtherKind = 'role' | 'group';

export interface FurtherReadsParts extends Pick<ReadQueryParts, 'reads' | 'shown' | 'pace'> {
  readonly reader: SeatReader;
  /** How the first request was made. */
  readonly read: ReadTerms;
  readonly seat: Seat;
  /** The roles that may be asked. */
  readonly roles: readonly string[];
}

/** A situation, what was read of it, and a factor on the probability of each of its actions. */
interface Stage extends ReadInHand {
  readonly situation: Situation;
  readonly coverage?: ReadonlyMap<string, number>;
}

/**
 * The further requests of a read, in the same slot: groups of actions that the first one did not show, then the likeliest actions of all
 * groups, and then the other roles, where a request asks only one. Each is made only if there is time for it, and if it was not
 * learned that such requests hardly ever change such an answer. What is in hand counts whenever they end.
 */
export class FurtherReads {
  readonly #given: FurtherReadsParts;
  /** Whether all requests are made whatever is known about them; undefined while that does not matter. */
  #isTrial: boolean | undefined;

  constructor(given: FurtherReadsParts) {
    this.#given = given;
  }

  /** Makes the further requests after the first one, and returns what counts in the end. */
  async after(readings: readonly Reading[]): Promise<ReadInHand> {
    const { shown, read, roles, pace, reader } = this.#given;
    const { first } = shown;
    this.#given.reads.further.took(this.#timeKey('first'), reader.lastMs);
    let stage: Stage = { situation: first, actions: first.actions, readings };
    pace.inHand(stage, shown.rest.length > 0 || roles.length > read.roles.length);
    if (shown.rest.length > 0) stage = (await this.#final(stage)) ?? stage;
    for (const role of roles.slice(read.roles.length)) {
      if (!this.#isWorthAnother(stage)) break;
      const more = await this.#ask(stage, [role], 'role');
      if (more === undefined) break;
      stage = { ...stage, readings: [...stage.readings, ...more] };
      pace.inHand(stage, true);
    }
    return stage;
  }

  #isWorthAnother(stage: Stage): boolean {
    const { pace, seat } = this.#given;
    const kind = `${seat.model} ${stage.readings.length}`;
    return this.#requestsInTime('role') > 0 && !this.#isEnough(kind, pace.choiceOf(stage).probability, 'role', 1);
  }

  /** Asks all groups that there is time for, and then for the likeliest actions of each. */
  async #final(first: Stage): Promise<Stage | undefined> {
    const { shown, pace, reads, seat, read } = this.#given;
    const before = pace.choiceOf(first);
    const kind = `${seat.model} groups`;
    // The last request is the final.
    const groups = shown.rest.slice(0, Math.max(0, this.#requestsInTime('group') - 1));
    if (groups.length === 0 || this.#isEnough(kind, before.probability, 'group', groups.length + 1)) return undefined;
    const stages = await this.#stagesOf(groups, first);
    const last = stages && likeliest(stages);
    if (last === undefined) return undefined;
    const situation = shown.of([...last.keys()]);
    const finalists = { situation, actions: situation.actions, coverage: last };
    const readings = await this.#ask(finalists, read.roles, 'group');
    if (readings === undefined) return undefined;
    const final = { ...finalists, readings };
    pace.inHand(final, true);
    reads.further.compared(kind, before.probability, pace.choiceOf(final).action !== before.action);
    return final;
  }

  /** What the first role says about each group; undefined if one is not answered. */
  async #stagesOf(groups: readonly Situation[], first: Stage): Promise<readonly Stage[] | undefined> {
    const stages = [first];
    for (const situation of groups) {
      const readings = await this.#ask({ situation }, this.#given.roles.slice(0, 1), 'group');
      if (readings === undefined) return undefined;
      stages.push({ situation, actions: situation.actions, readings });
    }
    return stages;
  }

  async #ask(
    { situation, coverage }: Pick<Stage, 'situation' | 'coverage'>,
    roles: readonly string[],
    kind: FurtherKind,
  ): Promise<readonly Reading[] | undefined> {
    const { reader, read, pace, reads } = this.#given;
    const result = await reader.ask(situation, { ...read, roles }, Math.max(1, pace.leftMs));
    if (!result.ok || result.readings === undefined) return undefined;
    reads.further.took(this.#timeKey(kind), reader.lastMs);
    if (coverage === undefined) return result.readings;
    const factorOf = (place: number): number => coverage.get(situation.actions[place] as string) ?? 0;
    return result.readings.map(({ role, probabilities }) => ({
      role,
      probabilities: probabilities.map((each, place) => each * factorOf(place)),
    }));
  }

  /** How many requests there is time for. Until one was made, each is assumed to take as long as the first of the read. */
  #requestsInTime(kind: FurtherKind): number {
    return Math.floor(this.#given.pace.leftMs / (TIME_MARGIN * this.#usualMs(kind)));
  }

  #usualMs(kind: 'first' | FurtherKind): number {
    const { reader, reads } = this.#given;
    return Math.max(1, reads.further.usualMs(this.#timeKey(kind)) ?? reader.lastMs);
  }

  #isEnough(what: string, probability: number, kind: FurtherKind, requests: number): boolean {
    const { further } = this.#given.reads;
    const cost = (requests * this.#usualMs(kind)) / this.#usualMs('first');
    if (!further.isEnough(what, probability, cost)) return false;
    this.#isTrial ??= further.isTrial();
    return !this.#isTrial;
  }

  #timeKey(kind: 'first' | FurtherKind): string {
    const { endpoint, model } = this.#given.seat;
    return `${endpoint}\n${model}\n${kind}`;
  }
}

/**
 * The likeliest actions of each group in turn, as many as there are labels. Each has the share of its group's probability that the group's
 * actions among them have: the chance that the best action of the group was not left out.
 */
function likeliest(stages: readonly ReadInHand[]): ReadonlyMap<string, number> {
  const ranked = stages.map(({ actions, readings }) => {
    const shares = pooled(readings);
    return actions
      .map((action, place) => ({ action, share: shares[place] as number }))
      .sort((a, b) => b.share - a.share);
  });
  const longest = Math.max(...ranked.map(({ length }) => length));
  const inTurn = Array.from({ length: longest }, (_, rank) => ranked.flatMap((group) => group[rank] ?? [])).flat();
  const chosen = new Set(inTurn.slice(0, READ_ACTIONS_MAX));
  const coverages = new Map<string, number>();
  for (const group of ranked) {
    const taken = group.filter((each) => chosen.has(each));
    const coverage = massOf(taken) / (massOf(group) || 1);
    for (const { action } of taken) coverages.set(action, coverage);
  }
  return coverages;
}

function massOf(actions: readonly { readonly share: number }[]): number {
  return actions.reduce((sum, { share }) => sum + share, 0);
}
