import { pick, randomIndex } from '../../src/shared/random.ts';
import { isNight, kindOfDeed, type Life, listenerOf, newMood, placeOf, ROOMS } from './life.ts';
import { CITIES, DUNGEONS, placeNamed } from './places.ts';

/** What each action does to a life and its world. */
type Deed = (life: Life, hour: number, action: string) => void;

function chance(life: Life, share: number): boolean {
  return life.random.next() < share;
}

function hurt(life: Life, points: number): void {
  life.health = Math.max(0, life.health - points);
}

function heal(life: Life, points: number): void {
  life.health = Math.min(100, life.health + points);
}

function goTo(life: Life, place: string): void {
  life.place = place;
  life.mode = 'roam';
  life.foes = [];
  life.hasChest = false;
  life.hasHerbs = placeOf(life).scene === 'outdoor_wilderness' && chance(life, 0.4);
  life.depth = 0;
  life.familiarity = 0;
  if (chance(life, 0.5)) life.mood = newMood(life);
}

/** The end of a dungeon holds its treasure, and what a quest asks for. */
function enterRoom(life: Life, depth: number, hour: number): void {
  life.depth = depth;
  life.familiarity = 0;
  life.hasChest = chance(life, depth === ROOMS.length - 1 ? 0.8 : 0.2);
  meetFoes(life, hour);
  if (depth < ROOMS.length - 1 || life.questTo !== life.place) return;
  life.questTo = undefined;
  life.mood = newMood(life);
  life.gold += 40;
}

function wayTo(life: Life, scene: string): string | undefined {
  const ways = placeOf(life).ways.filter((way) => placeNamed(way).scene === scene);
  return ways.length > 0 ? pick(life.random, ways) : undefined;
}

function tradeAt(life: Life, trade: 'shop' | 'inn'): string | undefined {
  return placeOf(life).ways.find((way) => placeNamed(way).trade === trade);
}

function hallAt(life: Life): string | undefined {
  return placeOf(life).ways.find((way) => {
    const { scene, trade } = placeNamed(way);
    return scene === 'indoor_building' && trade === 'none';
  });
}

/** Enemies may come into sight; they have noticed the agent or not. */
function meetFoes(life: Life, hour: number, caution = 1): void {
  const { danger, foes } = placeOf(life);
  if (foes.length === 0 || !chance(life, danger * caution * (isNight(hour) ? 1.4 : 1))) return;
  const count = chance(life, 0.12) ? 4 : 1 + randomIndex(life.random, 3);
  life.foes = Array.from({ length: count }, () => pick(life.random, foes));
  life.foeHealth = 40;
  if (chance(life, 0.55)) life.mode = 'combat';
}

function foeFalls(life: Life): void {
  life.foes = life.foes.slice(1);
  life.foeHealth = 40;
  if (chance(life, 0.4)) life.loot++;
  if (life.foes.length === 0) life.mode = 'roam';
}

function foesStrike(life: Life): void {
  const strength = (5 + 13 * life.random.next()) * Math.min(life.foes.length, 3) * (life.isGuarded ? 0.3 : 1);
  hurt(life, Math.round(strength));
  life.isGuarded = false;
  if (life.health > 0) return;
  // It wakes up at home, poorer.
  life.gold = Math.floor(life.gold / 2);
  life.health = 60;
  goTo(life, pick(life.random, CITIES));
}

function strike(life: Life, power: number, hitChance: number): void {
  life.mode = 'combat';
  if (chance(life, hitChance)) life.foeHealth -= power * (0.7 + 0.6 * life.random.next());
  if (life.foeHealth <= 0) foeFalls(life);
  if (life.foes.length > 0) foesStrike(life);
}

function flee(life: Life): void {
  if (life.mode === 'combat' && !chance(life, 0.6)) {
    foesStrike(life);
    return;
  }
  life.foes = [];
  life.mode = 'roam';
  if (placeOf(life).scene === 'indoor_dungeon') life.depth = Math.max(0, life.depth - 1);
}

function drink(life: Life): void {
  life.potions--;
  heal(life, 45);
  if (life.mode === 'combat') foesStrike(life);
}

function wander(life: Life, hour: number): void {
  life.familiarity++;
  if (chance(life, 0.12)) life.hasChest = true;
  meetFoes(life, hour);
}

function moveOn(life: Life, hour: number): void {
  const { scene, ways } = placeOf(life);
  if (scene === 'indoor_dungeon') {
    enterRoom(life, life.depth + 1, hour);
    return;
  }
  goTo(life, wayTo(life, 'outdoor_wilderness') ?? (ways[0] as string));
  meetFoes(life, hour);
}

function rest(life: Life, hour: number): void {
  heal(life, placeOf(life).trade === 'inn' ? 60 : 20);
  life.familiarity++;
  meetFoes(life, hour, 0.5);
}

function sneak(life: Life, hour: number): void {
  if (life.foes.length > 0) {
    if (chance(life, 0.65)) life.foes = [];
    else life.mode = 'combat';
    return;
  }
  life.familiarity++;
  meetFoes(life, hour, 0.4);
}

function talk(life: Life, hour: number, action: string): void {
  life.mode = 'dialogue';
  life.talkingTo = listenerOf(life, action, hour) ?? 'a stranger';
  life.talked = 0;
}

function converse(life: Life): void {
  life.talked++;
  if (life.talked >= 2 + randomIndex(life.random, 2)) endTalk(life);
}

function endTalk(life: Life): void {
  life.mode = 'roam';
  life.familiarity++;
}

const DEEDS: Readonly<Record<string, Deed>> = {
  attack: (life) => strike(life, 20, 0.75),
  power_attack: (life) => strike(life, 38, 0.5),
  block: (life) => {
    life.isGuarded = true;
    foesStrike(life);
    if (life.mode === 'combat' && chance(life, 0.35)) life.foeHealth -= 12;
    if (life.mode === 'combat' && life.foeHealth <= 0) foeFalls(life);
  },
  retreat: (life) => flee(life),
  drink_potion: (life) => drink(life),
  sneak,
  explore: wander,
  search: wander,
  move_forward: moveOn,
  rest,
  talk,
  look_around: (life, hour) => {
    life.familiarity++;
    if (life.foes.length > 0 && chance(life, 0.4)) life.mode = 'combat';
    else if (life.foes.length === 0) meetFoes(life, hour, 0.3);
  },
  gather_herbs: (life, hour) => {
    life.hasHerbs = false;
    life.loot++;
    wander(life, hour);
  },
  open_chest: (life) => {
    life.hasChest = false;
    life.loot += 1 + randomIndex(life.random, 2);
    if (chance(life, 0.4)) life.potions++;
  },
  enter_shop: (life) => goTo(life, tradeAt(life, 'shop') ?? life.place),
  enter_inn: (life) => goTo(life, tradeAt(life, 'inn') ?? life.place),
  enter_hall: (life) => goTo(life, hallAt(life) ?? life.place),
  enter_dungeon: (life, hour) => {
    goTo(life, wayTo(life, 'indoor_dungeon') ?? life.place);
    enterRoom(life, 0, hour);
  },
  go_back: (life, hour) => enterRoom(life, life.depth - 1, hour),
  go_to_city: (life) => goTo(life, wayTo(life, 'outdoor_city') ?? life.place),
  leave_city: (life) => goTo(life, placeOf(life).ways[0] as string),
  leave_dungeon: (life) => goTo(life, placeOf(life).ways[0] as string),
  leave_building: (life) => goTo(life, placeOf(life).ways[0] as string),
  buy_potion: (life) => {
    life.gold -= 25;
    life.potions++;
  },
  sell_loot: (life) => {
    life.gold += 15 * life.loot;
    life.loot = 0;
  },
  ask_about_rumors: converse,
  persuade: (life) => {
    if (chance(life, 0.3)) life.gold += 10;
    converse(life);
  },
  accept_quest: (life) => {
    life.questTo = pick(life.random, DUNGEONS);
    life.mood = 'quest';
    endTalk(life);
  },
  end_conversation: endTalk,
  open_map: (life) => {
    life.mode = 'map';
  },
  open_inventory: (life) => {
    life.mode = 'inventory';
  },
  equip_best_weapon: () => {},
  close_inventory: (life) => {
    life.mode = 'roam';
  },
  close_map: (life) => {
    life.mode = 'roam';
  },
  travel_to_city: (life) => goTo(life, pick(life.random, CITIES)),
  travel_to_quest: (life, hour) => {
    goTo(life, life.questTo ?? life.place);
    enterRoom(life, 0, hour);
  },
};

export function act(life: Life, action: string, hour: number): void {
  const deed = DEEDS[kindOfDeed(action)];
  if (!deed) throw new Error(`nobody knows how to ${action}`);
  deed(life, hour, action);
  // Wounds close by themselves, slowly, out of combat.
  if (life.mode !== 'combat') heal(life, 1);
}
