import type { Player, PlayerReport, Sight, Table } from '../player.ts';
import { Asking } from './asking.ts';
import { Newest } from './plain.ts';

/*
 * What can be reached on the same machine without knowing the future, by players that are written for this arena alone.
 */

/** Votes by action; of several that have the most, the earliest. */
class Votes {
  readonly #counts = new Map<string, number>();
  total = 0;

  add(action: string): void {
    this.total++;
    this.#counts.set(action, (this.#counts.get(action) ?? 0) + 1);
  }

  get winner(): string | undefined {
    let best: string | undefined;
    for (const [action, count] of this.#counts) {
      if (best === undefined || count > (this.#counts.get(best) as number)) best = action;
    }
    return best;
  }
}

function report(asking: Asking): Promise<PlayerReport> {
  asking.stop();
  return Promise.resolve({ calls: asking.calls });
}

/** As many calls at once on the present state as there are slots, and the most of what is there in time. */
export function four(table: Table): Player {
  const asking = new Asking(table);
  const newest = new Newest();
  let votes = new Votes();
  return {
    begin: (sight) => {
      const mine = new Votes();
      votes = mine;
      while (asking.free > 0) {
        asking.ask(sight, (answer) => {
          mine.add(answer.action);
          newest.take(answer);
        });
      }
    },
    act: (sight) => votes.winner ?? newest.for(sight),
    close: () => report(asking),
  };
}

/** A state that was met: how often, what was said of it, and how many calls about it are under way. */
interface Met {
  sight: Sight;
  times: number;
  flying: number;
  readonly votes: Votes;
}

class Memory {
  readonly #asking: Asking;
  readonly #newest: Newest;
  readonly #met = new Map<string, Met>();

  constructor(asking: Asking, newest: Newest) {
    this.#asking = asking;
    this.#newest = newest;
  }

  meet(sight: Sight): Met {
    const met = this.#met.get(sight.key) ?? { sight, times: 0, flying: 0, votes: new Votes() };
    this.#met.set(sight.key, met);
    met.times++;
    return met;
  }

  ask(met: Met, onVote: () => void = () => {}): void {
    met.flying++;
    this.#asking.ask(met.sight, (answer) => {
      met.flying--;
      met.votes.add(answer.action);
      this.#newest.take(answer);
      onVote();
    });
  }

  /** Asks about a state without a vote, if a slot is free. */
  askOnce(met: Met, onVote?: () => void): void {
    if (met.votes.total + met.flying === 0 && this.#asking.free > 0) this.ask(met, onVote);
  }

  /** Of the states that were met twice and have fewer votes than that, the one that comes most. */
  mostWanted(votesMax: number): Met | undefined {
    let best: Met | undefined;
    for (const met of this.#met.values()) {
      if (met.times < 2 || met.votes.total + met.flying >= votesMax) continue;
      if (best === undefined || met.times > best.times) best = met;
    }
    return best;
  }

  act(sight: Sight): string {
    return this.#met.get(sight.key)?.votes.winner ?? this.#newest.for(sight);
  }
}

/** Every answer, also a late one, is a vote for its state, and a state with a vote is answered from memory. */
export function lateRemembered(table: Table): Player {
  const asking = new Asking(table);
  const memory = new Memory(asking, new Newest());
  return {
    begin: (sight) => {
      const met = memory.meet(sight);
      if (met.votes.total === 0 && asking.free > 0) memory.ask(met);
    },
    act: (sight) => memory.act(sight),
    close: () => report(asking),
  };
}

/** Votes after which a state is not asked about again. */
const VOTES_MAX = 5;

/** The same, and what slots are idle ask again about the present state and those that recur, so that errors of a call are voted down. */
export function lateAgain(table: Table): Player {
  const asking = new Asking(table);
  const memory = new Memory(asking, new Newest());
  return {
    begin: (sight) => {
      const met = memory.meet(sight);
      while (asking.free > 0) {
        const isNear = met.votes.total + met.flying < VOTES_MAX;
        const wanted = isNear ? met : memory.mostWanted(VOTES_MAX);
        if (wanted === undefined) return;
        memory.ask(wanted);
      }
    },
    act: (sight) => memory.act(sight),
    close: () => report(asking),
  };
}

/** Its host tells, as soon as it knows what it will do, the state that this leads to, and it is asked about one step early. */
export function toldOnce(table: Table): Player {
  const asking = new Asking(table);
  const memory = new Memory(asking, new Newest());
  let steps = 0;
  return {
    begin: (sight, expect) => {
      const step = ++steps;
      const foresee = (): void => {
        if (step === steps) memory.askOnce(memory.meet(expect(memory.act(sight))));
      };
      memory.askOnce(memory.meet(sight), foresee);
      foresee();
    },
    act: (sight) => memory.act(sight),
    close: () => report(asking),
  };
}
