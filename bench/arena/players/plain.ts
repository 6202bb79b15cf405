import { bestByQValue } from '../../../src/shared/plan-request.ts';
import { fallback, type Player, type PlayerReport, type Sight, type Table } from '../player.ts';
import { policyChoice } from '../policy.ts';
import { type Answer, Asking } from './asking.ts';

/*
 * What anybody would write in an afternoon: nothing, the best value, one call at a time, calls at every step. And `zero`, a model
 * that takes no time, which is shown and not counted.
 */

/** Always the safe action. */
export const safeDefault = (): Player => ({ begin: () => {}, act: ({ actions }) => actions[0] as string });

export const bestValue = (): Player => ({ begin: () => {}, act: (sight) => bestByQValue(sight) });

/** The answer of one call at once. */
export function zero({ world, seed }: Table): Player {
  const asked = new Map<string, number>();
  return {
    begin: () => {},
    act: ({ state, key, actions }) => {
      const nth = asked.get(key) ?? 0;
      asked.set(key, nth + 1);
      return policyChoice(world, seed, state.values, actions, nth);
    },
  };
}

function isLegal(answer: Answer | undefined, sight: Sight): answer is Answer {
  return answer !== undefined && sight.actions.includes(answer.action);
}

function ended(asking: Asking): Promise<PlayerReport> {
  asking.stop();
  return Promise.resolve({ calls: asking.calls });
}

/** Asks, does the safe thing until the answer is there, does that once, and asks again. */
export function blocking(table: Table): Player {
  const asking = new Asking(table);
  let answer: Answer | undefined;
  let isWaiting = false;
  return {
    begin: (sight) => {
      if (isWaiting) return;
      isWaiting = true;
      asking.ask(sight, (given) => {
        answer = given;
      });
    },
    act: (sight) => {
      const given = answer;
      if (given === undefined) return fallback(sight);
      answer = undefined;
      isWaiting = false;
      return isLegal(given, sight) ? given.action : fallback(sight);
    },
    close: () => ended(asking),
  };
}

/** The newest answer there is, by the time of its question. */
export class Newest {
  #answer: Answer | undefined;

  take(answer: Answer): void {
    if (this.#answer === undefined || answer.order > this.#answer.order) this.#answer = answer;
  }

  /** Whatever its age, where it is legal. */
  for(sight: Sight): string {
    const answer = this.#answer;
    return isLegal(answer, sight) ? answer.action : fallback(sight);
  }
}

/** Asks at every step while a slot is free, and does what the newest answer says. */
export function asynchronous(table: Table): Player {
  const asking = new Asking(table);
  const newest = new Newest();
  return {
    begin: (sight) => {
      if (asking.free > 0) asking.ask(sight, (answer) => newest.take(answer));
    },
    act: (sight) => newest.for(sight),
    close: () => ended(asking),
  };
}
