import { defined } from '../../../../shared/defined.ts';
import { READ_ACTIONS_MAX } from '../../../../shared/reads/labels.ts';
import { pooled, type Reading } from '../../../../shared/reads/reading.ts';
import type { Situation } from '../../../../shared/situation.ts';
import type { ExpertResult, ReadTerms } from '../../../../shared/tasks.ts';
import type { Seat } from '../../../models/seat.ts';
import type { SpareSlot, SpareSlots } from '../../../models/slots/spare-slots.ts';
import { type FurtherKind, timeKey } from './further-requests.ts';
import type { ReadInHand, ReadQueryParts } from './read-query.ts';
import type { SeatReader } from './seat-reader.ts';

/** Margin on the usual time of a request. */
const TIME_MARGIN = 1.2;
/** A read that is given up before this share of its time is over says nothing about its server. */
const WHOLE_SHARE = 0.9;

export interface FurtherReadsParts extends Pick<ReadQueryParts, 'reads' | 'shown' | 'pace'> {
  readonly reader: SeatReader;
  /** How the first request was made. */
  readonly read: ReadTerms;
  readonly seat: Seat;
  /** The roles that may be asked. */
  readonly roles: readonly string[];
  /** Time of the first request, in milliseconds. */
  readonly firstMs: number;
  readonly spare: SpareSlots;
  /** Aborts when nobody wants the read any more. */
  readonly signal: AbortSignal;
}

/** A situation, what was read of it, and a factor on the probability of each of its actions. */
interface Stage extends ReadInHand {
  readonly situation: Situation;
  readonly coverage?: ReadonlyMap<string, number>;
}

/** What a request asks. */
interface Question extends Pick<Stage, 'situation' | 'coverage'> {
  readonly roles: readonly string[];
}

/**
 * The further requests of a read: groups of actions that the first one did not show, then the likeliest actions of all groups, and then
 * the other roles, where a request asks only one. Each is made only if there is time for it, and if it was not learned that such requests
 * hardly ever change such an answer. What is in hand counts whenever they end.
 *
 * They are made in the slot of the first one, in turn; several at once where the server was measured to gain from that, in slots that are
 * idle and that no other call waits for.
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
    const { shown, read, roles, pace, firstMs } = this.#given;
    const { first } = shown;
    this.#given.reads.further.took(timeKey(this.#given.seat, 'first'), firstMs);
    let stage: Stage = { situation: first, actions: first.actions, readings };
    pace.inHand(stage, shown.rest.length > 0 || roles.length > read.roles.length);
    if (shown.rest.length > 0) stage = (await this.#final(stage)) ?? stage;
    let left = roles.slice(read.roles.length);
    while (left.length > 0 && this.#isWorthAnother(stage)) {
      const { situation, coverage } = stage;
      const now = left.slice(0, this.#width('role', left.length));
      const questions = now.map((role) => ({ situation, ...defined({ coverage }), roles: [role] }));
      const answers = await this.#ask(questions, 'role', (more) => {
        stage = { ...stage, readings: [...stage.readings, ...more] };
        pace.inHand(stage, true);
      });
      if (answers === undefined) break;
      left = left.slice(answers.length);
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
    const [readings] = (await this.#ask([{ ...finalists, roles: read.roles }], 'group')) ?? [];
    if (readings === undefined) return undefined;
    const final = { ...finalists, readings };
    pace.inHand(final, true);
    reads.further.compared(kind, before.probability, pace.choiceOf(final).action !== before.action);
    return final;
  }

  /** What the first role says about each group; undefined if one is not answered. */
  async #stagesOf(groups: readonly Situation[], first: Stage): Promise<readonly Stage[] | undefined> {
    const stages = [first];
    let left = groups;
    while (left.length > 0) {
      const now = left.slice(0, this.#width('group', left.length));
      const roles = this.#given.roles.slice(0, 1);
      const answers = await this.#ask(
        now.map((situation) => ({ situation, roles })),
        'group',
      );
      if (answers === undefined) return undefined;
      for (const [index, readings] of answers.entries()) {
        const situation = now[index] as Situation;
        stages.push({ situation, actions: situation.actions, readings });
      }
      left = left.slice(answers.length);
    }
    return stages;
  }

  /**
   * Makes requests at once, as many as there are slots for. Returns the readings of each; undefined if one was not answered. `onReadings` is
   * called with those of each when it is.
   */
  async #ask(
    questions: readonly Question[],
    kind: FurtherKind,
    onReadings: (readings: readonly Reading[]) => void = () => {},
  ): Promise<readonly (readonly Reading[])[] | undefined> {
    const { reader, read, pace, signal } = this.#given;
    const slots = this.#slotsFor(questions.length);
    const timeoutMs = Math.max(1, pace.leftMs);
    const asks = slots.map((slot, index) => {
      const { situation, roles } = questions[index] as Question;
      return { situation, read: { ...read, roles }, timeoutMs, ...defined({ signal: slot?.signal }) };
    });
    const answers: (readonly Reading[])[] = [];
    const onAnswer = (result: ExpertResult, index: number): void => {
      if (!result.ok || result.readings === undefined) return;
      slots[index]?.release(0);
      answers[index] = covered(result.readings, questions[index] as Question);
      onReadings(answers[index]);
    };
    try {
      const ms = await reader.ask(asks, onAnswer);
      const isGivenUp = signal.aborted && ms < WHOLE_SHARE * timeoutMs;
      if (!isGivenUp) this.#took(kind, slots.length, ms, Object.keys(answers).length);
    } finally {
      // Its server probably still works on what was not answered.
      for (const slot of slots) slot?.release(this.#usualMs('first'));
    }
    return Object.keys(answers).length < slots.length ? undefined : answers;
  }

  /** The read's own slot, which is undefined here, and spare ones. */
  #slotsFor(requests: number): (SpareSlot | undefined)[] {
    const spare = Array.from({ length: requests - 1 }, () => this.#given.spare.take());
    return [undefined, ...spare.filter((slot) => slot !== undefined)];
  }

  #took(kind: FurtherKind, requests: number, ms: number, answered: number): void {
    const { further, atOnce } = this.#given.reads;
    const key = timeKey(this.#given.seat, kind);
    const isWhole = answered === requests;
    if (requests > 1 || isWhole) atOnce.took(key, requests, isWhole ? ms : undefined);
    if (requests === 1 && isWhole) further.took(key, ms);
  }

  /** How many of the `wanted` requests start at once. One that tries more than is known may have to read the state in every slot. */
  #width(kind: FurtherKind, wanted: number): number {
    const { reads, spare, pace } = this.#given;
    // Nothing takes a spare slot back for a plan, and no plan would gain from it.
    const most = pace.isAwaited ? 1 + spare.count : 1;
    const mayTry = pace.leftMs > TIME_MARGIN * Math.min(wanted, most) * this.#usualMs('first');
    return reads.atOnce.width(timeKey(this.#given.seat, kind), wanted, most, mayTry);
  }

  /** How many requests there is time for. Until one was made, each is assumed to take as long as the first of the read. */
  #requestsInTime(kind: FurtherKind): number {
    return Math.floor(this.#given.pace.leftMs / (TIME_MARGIN * this.#usualMs(kind)));
  }

  #usualMs(kind: 'first' | FurtherKind): number {
    const { firstMs, reads } = this.#given;
    return Math.max(1, reads.further.usualMs(timeKey(this.#given.seat, kind)) ?? firstMs);
  }

  #isEnough(what: string, probability: number, kind: FurtherKind, requests: number): boolean {
    const { further } = this.#given.reads;
    const cost = (requests * this.#usualMs(kind)) / this.#usualMs('first');
    if (!further.isEnough(what, probability, cost)) return false;
    this.#isTrial ??= further.isTrial();
    return !this.#isTrial;
  }
}

/** The readings with the probability of each action times its factor. */
function covered(readings: readonly Reading[], { situation, coverage }: Question): readonly Reading[] {
  if (coverage === undefined) return readings;
  const factorOf = (place: number): number => coverage.get(situation.actions[place] as string) ?? 0;
  return readings.map(({ role, probabilities }) => ({
    role,
    probabilities: probabilities.map((each, place) => each * factorOf(place)),
  }));
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
