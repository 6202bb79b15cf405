import type { Random } from '../../../shared/random.ts';
import { Comparisons } from '../../cache/standing/comparisons.ts';

/** Until this many reads of a model have been compared, all roles are asked. */
const COMPARED_MIN = 30;
/** Roles that change the answer more rarely than this are rarely asked. */
const CHANGED_MIN = 0.02;
/** Share of reads that ask all roles although they add nothing, because nothing else would show a change. */
const ASKED_AGAIN = 0.05;

/**
 * How often further roles of a read change the answer of the first one, by model. Roles of one model err alike, and each costs the
 * reading and answering of one more question. Where many calls wait for the slot, that time decides about their deadlines.
 */
export class RoleGains {
  readonly #random: Random;
  readonly #byModel = new Map<string, Comparisons>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Records whether all roles together gave another answer than the first role alone. */
  compared(model: string, isChanged: boolean): void {
    let known = this.#byModel.get(model);
    if (known === undefined) {
      known = new Comparisons();
      this.#byModel.set(model, known);
    }
    known.add(!isChanged);
  }

  /** Returns how many of `roles` a read asks, at least the first. */
  rolesFor(model: string, roles: number, isPressed: boolean): number {
    const { seen, rate } = this.#byModel.get(model) ?? { seen: 0, rate: undefined };
    if (seen < COMPARED_MIN || rate === undefined) return roles;
    if (isPressed) return 1;
    return 1 - rate < CHANGED_MIN && this.#random.next() >= ASKED_AGAIN ? 1 : roles;
  }
}
