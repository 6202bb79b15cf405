import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, type Random } from '../../src/shared/random.ts';
import { type Place, placeNamed } from './places.ts';

/** One agent's life: where it is, what it has, what it is about to do. */
export type Mode = 'roam' | 'combat' | 'dialogue' | 'inventory' | 'map';
export type Motivation = 'explore' | 'quest' | 'wealth' | 'safety' | 'company' | 'glory';

export interface Temperament {
  readonly boldness: number;
  readonly curiosity: number;
  readonly greed: number;
  readonly sociability: number;
}

export interface Life {
  readonly name: string;
  readonly temperament: Temperament;
  readonly random: Random;
  place: string;
  mode: Mode;
  health: number;
  potions: number;
  gold: number;
  loot: number;
  /** Enemies in sight, in and out of combat. */
  foes: string[];
  /** How much the first of them can still take. */
  foeHealth: number;
  isGuarded: boolean;
  hasChest: boolean;
  hasHerbs: boolean;
  /** How deep in a dungeon: an index into ROOMS. */
  depth: number;
  talkingTo: string;
  talked: number;
  questTo: string | undefined;
  mood: Motivation;
  /** Steps spent in this place; what is new there wears off. */
  familiarity: number;
}

export const PEOPLE: readonly (readonly [name: string, home: string, Temperament])[] = [
  ['lydia', 'Whiterun', { boldness: 0.7, curiosity: 0.4, greed: 0.3, sociability: 0.4 }],
  ['farkas', 'Whiterun', { boldness: 0.95, curiosity: 0.3, greed: 0.3, sociability: 0.3 }],
  ['serana', 'Falkreath', { boldness: 0.6, curiosity: 0.8, greed: 0.2, sociability: 0.3 }],
  ['aela', 'Whiterun Plains', { boldness: 0.8, curiosity: 0.6, greed: 0.3, sociability: 0.2 }],
  ['erandur', 'Falkreath', { boldness: 0.3, curiosity: 0.5, greed: 0.1, sociability: 0.9 }],
  ['mjoll', 'Riverwood', { boldness: 0.8, curiosity: 0.7, greed: 0.1, sociability: 0.6 }],
  ['belrand', 'Riverwood', { boldness: 0.5, curiosity: 0.4, greed: 0.9, sociability: 0.5 }],
];

export function newLife(name: string, home: string, temperament: Temperament, random: Random): Life {
  return {
    name,
    temperament,
    random,
    place: home,
    mode: 'roam',
    health: 100,
    potions: 2,
    gold: 60,
    loot: 0,
    foes: [],
    foeHealth: 0,
    isGuarded: false,
    hasChest: false,
    hasHerbs: false,
    depth: 0,
    talkingTo: '',
    talked: 0,
    questTo: undefined,
    mood: 'explore',
    familiarity: 0,
  };
}

export function isNight(hour: number): boolean {
  return hour < 6 || hour >= 21;
}

export function placeOf(life: Life): Place {
  return placeNamed(life.place);
}

/** The rooms of every dungeon, from the way in to the end. */
export const ROOMS = ['entrance', 'passage', 'great hall', 'inner chamber'] as const;

export function locationOf(life: Life): string {
  const place = placeOf(life);
  return place.scene === 'indoor_dungeon' ? `${place.name}, ${ROOMS[life.depth]}` : place.name;
}

/** Who is here at this hour: people come and go, and only inns are awake at night. */
export function peopleAround(life: Life, hour: number): readonly string[] {
  const place = placeOf(life);
  if (isNight(hour) && place.trade !== 'inn') return [];
  // Who keeps a shop or an inn is the first of its people, and always in.
  const keepers = place.trade === 'none' ? 0 : 1;
  const isHere = (who: string, index: number): boolean =>
    index < keepers || forkRandom(0, `${who} at ${place.name}, ${Math.floor(hour / 2)}`).next() < 0.4;
  return place.people.filter(isHere);
}

const TALK = 'talk_to_';

function talkTo(who: string): string {
  return `${TALK}${who.toLowerCase().replace(/^(?:a|the) /, '')}`;
}

export function listenerOf(life: Life, action: string, hour: number): string | undefined {
  return peopleAround(life, hour).find((who) => talkTo(who) === action);
}

/** The kind of a deed, whoever it is done to. */
export function kindOfDeed(action: string): string {
  return action.startsWith(TALK) ? 'talk' : action;
}

/** What it is after now: a mood, but for wounds. */
export function motivationOf(life: Life): Motivation {
  return life.health < 40 ? 'safety' : life.mood;
}

/** Moods change on the way from place to place, by temperament and by what there is to do. */
export function newMood(life: Life): Motivation {
  const { boldness, curiosity, greed, sociability } = life.temperament;
  const weights: readonly (readonly [Motivation, number])[] = [
    ['quest', life.questTo === undefined ? 0 : 1.6],
    ['explore', curiosity],
    ['wealth', greed + (life.loot >= 3 ? 0.5 : 0)],
    ['company', sociability],
    ['glory', boldness],
  ];
  let left = life.random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [mood, weight] of weights) {
    if (left < weight) return mood;
    left -= weight;
  }
  return 'explore';
}

/** What an agent may do now: set by the scene, not by what would be wise. */
export function actionsOf(life: Life, hour: number): string[] {
  switch (life.mode) {
    case 'combat':
      return ['attack', 'power_attack', 'block', 'retreat', ...(life.potions > 0 ? ['drink_potion'] : [])];
    case 'dialogue':
      return [
        'ask_about_rumors',
        'persuade',
        ...(life.questTo === undefined ? ['accept_quest'] : []),
        'end_conversation',
      ];
    case 'inventory':
      return [...(life.potions > 0 ? ['drink_potion'] : []), 'equip_best_weapon', 'close_inventory'];
    case 'map':
      return [...(life.questTo === undefined ? [] : ['travel_to_quest']), 'travel_to_city', 'close_map'];
    case 'roam':
      return roamingActions(life, hour);
    default:
      return life.mode satisfies never;
  }
}

function roamingActions(life: Life, hour: number): string[] {
  if (life.foes.length > 0) return ['attack', 'sneak', 'retreat', 'look_around'];
  const { scene, trade } = placeOf(life);
  const talk = peopleAround(life, hour).map(talkTo);
  const chest = life.hasChest ? ['open_chest'] : [];
  switch (scene) {
    case 'outdoor_city':
      return ['explore', ...talk, ...doorsOf(life, hour), 'leave_city', 'open_map', 'open_inventory'];
    case 'outdoor_wilderness':
      return [
        'explore',
        'move_forward',
        ...(life.hasHerbs ? ['gather_herbs'] : []),
        ...chest,
        ...doorsOf(life, hour),
        'rest',
        'open_map',
        'open_inventory',
      ];
    case 'indoor_dungeon':
      return [...dungeonWays(life), 'search', ...chest, 'sneak', 'rest', 'open_inventory'];
    case 'indoor_building':
      return ['look_around', ...talk, ...tradingActions(life, trade, hour), 'leave_building'];
    default:
      return scene satisfies never;
  }
}

/** What can be entered from here. */
function doorsOf(life: Life, hour: number): string[] {
  const ways = placeOf(life).ways.map(placeNamed);
  const doors: string[] = [];
  if (!isNight(hour) && ways.some(({ trade }) => trade === 'shop')) doors.push('enter_shop');
  if (ways.some(({ trade }) => trade === 'inn')) doors.push('enter_inn');
  if (ways.some(({ scene, trade }) => scene === 'indoor_building' && trade === 'none')) doors.push('enter_hall');
  if (ways.some(({ scene }) => scene === 'indoor_dungeon')) doors.push('enter_dungeon');
  if (ways.some(({ scene }) => scene === 'outdoor_city')) doors.push('go_to_city');
  return doors;
}

function dungeonWays(life: Life): string[] {
  const forward = life.depth < ROOMS.length - 1 ? ['move_forward'] : [];
  return [...forward, life.depth > 0 ? 'go_back' : 'leave_dungeon'];
}

function tradingActions(life: Life, trade: Place['trade'], hour: number): string[] {
  if (trade === 'inn') return ['rest'];
  if (trade === 'none' || isNight(hour)) return [];
  return [...(life.gold >= 25 ? ['buy_potion'] : []), ...(life.loot > 0 ? ['sell_loot'] : [])];
}

export function sceneOf(life: Life): string {
  switch (life.mode) {
    case 'combat':
    case 'dialogue':
    case 'inventory':
    case 'map':
      return life.mode;
    case 'roam':
      return placeOf(life).scene;
    default:
      return life.mode satisfies never;
  }
}

/** What the agent sees, in a sentence or two. */
export function sightOf(life: Life, hour: number): string {
  const [foe] = life.foes;
  if (life.mode === 'combat')
    return `A ${foe} attacks${life.foes.length > 1 ? `, and ${life.foes.length - 1} more come closer` : ''}.`;
  if (life.mode === 'dialogue') return `${life.talkingTo} waits for an answer.`;
  if (life.mode === 'inventory')
    return `A list: ${life.potions} potions, ${life.loot} things to sell, ${life.gold} gold.`;
  if (life.mode === 'map') return `A map; the marker is at ${life.place}.`;
  const light = isNight(hour) ? ' It is night.' : '';
  const foes = foe === undefined ? '' : ` A ${foe} stands there and has not noticed anything.`;
  const chest = life.hasChest ? ' A chest stands in a corner.' : '';
  const herbs = life.hasHerbs && foe === undefined ? ' Mountain flowers grow here.' : '';
  return `${placeOf(life).sight}${light}${foes}${chest}${herbs}`;
}

/** All that a planner is told. */
export function observationOf(life: Life, hour: number): PlanRequest['observation'] {
  return {
    scene: sceneOf(life),
    health: Math.round(life.health),
    inCombat: life.mode === 'combat',
    enemiesNearby: life.foes.length,
    location: locationOf(life),
    motivation: motivationOf(life),
    visual: sightOf(life, hour),
  };
}
