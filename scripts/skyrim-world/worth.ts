import { forkRandom, randomNormal } from '../../src/shared/random.ts';
import { isNight, kindOfDeed, type Life, type Motivation, motivationOf, placeOf, sceneOf } from './life.ts';

/** What an action is really worth, from about -1 to 1, and what has been learned of it so far. */
type Worth = number | ((life: Life, hour: number) => number);

const wound = (life: Life): number => 1 - life.health / 100;
const novelty = (life: Life): number => Math.max(0, 1 - life.familiarity / 4);
const outnumbered = (life: Life): number => Math.min(1, (life.foes.length - 1) / 3);

function fight(life: Life): number {
  return 0.75 - 0.9 * wound(life) - 0.45 * outnumbered(life);
}

function leaving(life: Life, hour: number): number {
  if (life.health < 40 && placeOf(life).scene !== 'indoor_dungeon') return 0.05;
  const wanted = life.questTo === undefined ? 0.15 : 0.45;
  return wanted + 0.4 * (1 - novelty(life)) - (isNight(hour) ? 0.15 : 0);
}

const WORTHS: Readonly<Record<string, Worth>> = {
  attack: (life) => (life.mode === 'combat' ? fight(life) : fight(life) - 0.1),
  power_attack: (life) => fight(life) - 0.12 + 0.15 * (life.foeHealth > 25 ? 1 : 0),
  block: (life) => 0.25 + 0.3 * wound(life) + 0.15 * outnumbered(life),
  retreat: (life) => -0.25 + 0.95 * wound(life) + 0.4 * outnumbered(life) + (life.potions === 0 ? 0.1 : 0),
  drink_potion: (life) => -0.3 + 1.35 * wound(life),
  sneak: (life) => (life.foes.length > 0 ? 0.2 + 0.4 * wound(life) + 0.25 * outnumbered(life) : 0.2),
  look_around: (life) => (life.foes.length > 0 ? -0.1 : 0.25 * novelty(life)),
  explore: (life) => 0.15 + 0.5 * novelty(life) - 0.4 * wound(life),
  search: (life) => 0.15 + 0.45 * novelty(life) - 0.3 * wound(life),
  move_forward: (life) => 0.35 + 0.15 * novelty(life) - 0.5 * wound(life) + (life.questTo === life.place ? 0.25 : 0),
  rest: (life) => -0.15 + 1.1 * wound(life) + (placeOf(life).trade === 'inn' ? 0.1 : 0),
  talk: (life) => 0.4 * novelty(life) + (life.questTo === undefined ? 0.25 : 0),
  gather_herbs: (life) => 0.3 * novelty(life) + (life.loot < 2 ? 0.1 : -0.1),
  open_chest: 0.85,
  enter_shop: (life) => -0.1 + 0.25 * Math.min(life.loot, 3) + (life.potions === 0 && life.gold >= 25 ? 0.3 : 0),
  enter_inn: (life, hour) => 0.05 + 0.8 * wound(life) + (isNight(hour) ? 0.25 : 0),
  enter_hall: (life, hour) => 0.3 * novelty(life) + (life.questTo === undefined && !isNight(hour) ? 0.15 : -0.1),
  go_back: (life) => -0.05 + 0.5 * wound(life) + (life.depth === 3 ? 0.5 : 0) + 0.2 * (1 - novelty(life)),
  enter_dungeon: (life) => 0.15 + 0.3 * (life.potions > 0 ? 1 : 0) - 0.8 * wound(life) + 0.2 * (1 - novelty(life)),
  go_to_city: (life, hour) => 0.05 + 0.15 * Math.min(life.loot, 3) + 0.5 * wound(life) + (isNight(hour) ? 0.1 : 0),
  leave_city: leaving,
  leave_dungeon: (life, hour) => leaving(life, hour) + 0.5 * wound(life) - 0.1,
  leave_building: (life, hour) => leaving(life, hour) + 0.1,
  buy_potion: (life) => (life.potions < 3 ? 0.7 - 0.15 * life.potions : -0.1),
  sell_loot: (life) => 0.4 + 0.15 * Math.min(life.loot, 3),
  ask_about_rumors: (life) => 0.45 - 0.15 * life.talked,
  persuade: (life) => 0.25 - 0.1 * life.talked,
  accept_quest: (life) => 0.55 - 0.4 * wound(life),
  end_conversation: (life) => 0.1 + 0.2 * life.talked,
  open_map: (life) => (life.questTo === undefined ? -0.1 : 0.35),
  open_inventory: (life) => -0.2 + (life.potions > 0 ? 0.9 * wound(life) : 0),
  equip_best_weapon: 0,
  close_inventory: 0.3,
  close_map: 0.05,
  travel_to_city: (life) => 0.1 + 0.6 * wound(life) + 0.1 * Math.min(life.loot, 3),
  travel_to_quest: (life) => 0.6 - 0.7 * wound(life),
};

/** What an action serves is worth more to one who wants that. */
const SERVES: Readonly<Record<Motivation, RegExp>> = {
  explore: /^(?:explore|move_forward|leave|look_around|talk)/,
  quest: /^(?:travel_to_quest|open_map|enter_dungeon|move_forward|search)/,
  company: /^(?:talk|ask|persuade|accept|enter_inn|enter_hall|go_to_city|travel_to_city|block)/,
  glory: /^(?:attack|power_attack|enter_dungeon|accept_quest|leave|move_forward)/,
  wealth: /^(?:sell_loot|open_chest|search|gather|enter_shop|enter_dungeon|persuade)/,
  safety: /^(?:drink|rest|retreat|block|enter_inn|go_to_city|travel_to_city|leave_dungeon|sneak)/,
};

export function trueWorth(life: Life, action: string, hour: number): number {
  const worth = WORTHS[kindOfDeed(action)];
  if (worth === undefined) throw new Error(`nobody knows what ${action} is worth`);
  const base = typeof worth === 'number' ? worth : worth(life, hour);
  return base + (SERVES[motivationOf(life)].test(action) ? 0.12 : 0);
}

/** How wrong an estimate is before it was ever tried. */
const ERROR_AT_FIRST = 0.3;

/** Learned values: the worth with an error of its own for each kind of state, which shrinks as the action is tried there. */
export class Learner {
  readonly #seed: number;
  readonly #tries = new Map<string, number>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  estimate(life: Life, action: string, hour: number): number {
    const key = stateKey(life, action);
    const error = randomNormal(forkRandom(this.#seed, key)) * ERROR_AT_FIRST;
    const tries = this.#tries.get(key) ?? 0;
    return Math.round((trueWorth(life, action, hour) + error / Math.sqrt(1 + tries)) * 100) / 100;
  }

  learn(life: Life, action: string): void {
    const key = stateKey(life, action);
    this.#tries.set(key, (this.#tries.get(key) ?? 0) + 1);
  }
}

function stateKey(life: Life, action: string): string {
  const health = life.health < 30 ? 'low' : life.health < 70 ? 'fair' : 'good';
  return [sceneOf(life), health, Math.min(life.foes.length, 4), motivationOf(life), kindOfDeed(action)].join('/');
}
