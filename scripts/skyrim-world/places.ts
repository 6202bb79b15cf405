/** The map of the small Skyrim that the example trace is lived in. */
export type PlaceScene = 'outdoor_city' | 'outdoor_wilderness' | 'indoor_dungeon' | 'indoor_building';

export interface Place {
  readonly name: string;
  readonly scene: PlaceScene;
  /** Where one can walk from here. The first of a dungeon or building is the way out. */
  readonly ways: readonly string[];
  /** Chance that a step meets enemies, by day. */
  readonly danger: number;
  readonly foes: readonly string[];
  readonly people: readonly string[];
  readonly trade: 'none' | 'shop' | 'inn';
  readonly sight: string;
}

function place(name: string, scene: PlaceScene, ways: readonly string[], more: Partial<Place>): Place {
  return { name, scene, ways, danger: 0, foes: [], people: [], trade: 'none', sight: '', ...more };
}

const BEASTS = ['wolf', 'bear', 'sabre cat'];
const OUTLAWS = ['bandit', 'bandit archer'];
const UNDEAD = ['draugr', 'restless draugr', 'skeleton'];

const ALL: readonly Place[] = [
  place('Whiterun', 'outdoor_city', ['Whiterun Plains', 'Bannered Mare', "Belethor's Goods", 'Dragonsreach'], {
    people: ['a guard', 'Nazeem', 'Carlotta'],
    sight: 'Timber houses climb a hill to the great hall.',
  }),
  place('Riverwood', 'outdoor_city', ['Riverside Road', 'Sleeping Giant Inn', 'Riverwood Trader'], {
    people: ['Alvor', 'Faendal', 'a guard'],
    sight: 'A saw mill stands by the river.',
  }),
  place('Falkreath', 'outdoor_city', ['Pine Forest', "Dead Man's Drink"], {
    people: ['a guard', 'Runil'],
    sight: 'Fog lies over a graveyard among the pines.',
  }),
  place('Bannered Mare', 'indoor_building', ['Whiterun'], {
    people: ['Hulda', 'Mikael', 'a traveller'],
    trade: 'inn',
    sight: 'A fire burns in the middle of the hall and a bard plays.',
  }),
  place('Sleeping Giant Inn', 'indoor_building', ['Riverwood'], {
    people: ['Delphine', 'Orgnar'],
    trade: 'inn',
    sight: 'The inn is dim and smells of ale.',
  }),
  place("Dead Man's Drink", 'indoor_building', ['Falkreath'], {
    people: ['Valga', 'Narri'],
    trade: 'inn',
    sight: 'A few woodsmen sit at long tables.',
  }),
  place("Belethor's Goods", 'indoor_building', ['Whiterun'], {
    people: ['Belethor'],
    trade: 'shop',
    sight: 'Shelves are full of odds and ends behind the counter.',
  }),
  place('Riverwood Trader', 'indoor_building', ['Riverwood'], {
    people: ['Lucan', 'Camilla'],
    trade: 'shop',
    sight: 'A counter with potions and a claw-shaped gap on it.',
  }),
  place('Dragonsreach', 'indoor_building', ['Whiterun'], {
    people: ['the Jarl', 'Farengar', 'Irileth'],
    sight: 'A dragon skull hangs over the throne.',
  }),
  place(
    'Whiterun Plains',
    'outdoor_wilderness',
    ['Whiterun', 'Riverside Road', 'Halted Stream Camp', 'Northern Tundra'],
    {
      danger: 0.16,
      foes: BEASTS,
      sight: 'Yellow grass runs to the mountains.',
    },
  ),
  place('Riverside Road', 'outdoor_wilderness', ['Riverwood', 'Whiterun Plains', 'Bleak Falls Barrow', 'Pine Forest'], {
    danger: 0.14,
    foes: [...BEASTS, 'bandit'],
    sight: 'A cobbled road follows the rapids.',
  }),
  place('Pine Forest', 'outdoor_wilderness', ['Falkreath', 'Riverside Road', 'Bonechill Passage'], {
    danger: 0.2,
    foes: [...BEASTS, 'frostbite spider'],
    sight: 'Dark pines close in on a narrow path.',
  }),
  place('Northern Tundra', 'outdoor_wilderness', ['Whiterun Plains', 'Fort Fellhammer'], {
    danger: 0.18,
    foes: ['wolf', 'ice wraith', 'bandit'],
    sight: 'Snow blows over bare rock.',
  }),
  place('Bleak Falls Barrow', 'indoor_dungeon', ['Riverside Road'], {
    danger: 0.34,
    foes: UNDEAD,
    sight: 'Burial niches line a stone corridor.',
  }),
  place('Halted Stream Camp', 'indoor_dungeon', ['Whiterun Plains'], {
    danger: 0.3,
    foes: OUTLAWS,
    sight: 'A mine shaft is lit by a few torches.',
  }),
  place('Bonechill Passage', 'indoor_dungeon', ['Pine Forest'], {
    danger: 0.32,
    foes: ['frostbite spider', 'skeleton'],
    sight: 'Webs hang between pillars of ice.',
  }),
  place('Fort Fellhammer', 'indoor_dungeon', ['Northern Tundra'], {
    danger: 0.36,
    foes: OUTLAWS,
    sight: 'Broken walls lead down to a flooded cellar.',
  }),
];

const BY_NAME = new Map(ALL.map((each) => [each.name, each]));

export function placeNamed(name: string): Place {
  const found = BY_NAME.get(name);
  if (!found) throw new Error(`no place is called ${name}`);
  return found;
}

export const CITIES: readonly string[] = ALL.filter(({ scene }) => scene === 'outdoor_city').map(({ name }) => name);
export const DUNGEONS: readonly string[] = ALL.filter(({ scene }) => scene === 'indoor_dungeon').map(
  ({ name }) => name,
);
