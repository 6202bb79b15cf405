import { arenaDomain, BEST_SCORE, luckOf, offered, STEPS, type State, type World } from '../world.ts';

/*
 * States that come round exactly: patrols, laps, assembly lines. Five halls of eight places each; the right action leads to the
 * next place of the hall, and from the last one on to the next hall, so that all forty come round. A wrong one costs half a point
 * and throws the agent elsewhere, from every fourth place always to the same one for the same mistake: who repeats a mistake
 * there can end up in a circle. The places of a hall look much alike, and what is right in one is wrong in the next. Waiting is
 * worth nothing and changes nothing, but on every fourth place, where a current carries the agent on.
 */
const HALLS: readonly string[] = ['amber', 'birch', 'cedar', 'dune', 'ember'];
const PLACES = 8;
const COUNT = HALLS.length * PLACES;
const ACTIONS = ['wait', 'left', 'right', 'jump', 'duck'] as const;
const POINT = BEST_SCORE / STEPS;
const MISTAKE = -0.5 * POINT;

const DOMAIN = arenaDomain('rounds', 'A runner that goes round through halls full of traps, as fast as it can.', {
  hall: { kind: 'category', values: HALLS },
  bearing: { kind: 'number', edges: [45, 90, 135, 180, 225, 270, 315], range: [0, 360] },
  echo: { kind: 'number', edges: [20, 40, 60, 80], range: [0, 100] },
  draught: { kind: 'number', edges: [50], range: [0, 100] },
});

export function rounds(seed: number): World {
  const right = Array.from(
    { length: COUNT },
    (_, place) => ACTIONS[1 + Math.floor(luckOf(seed, `right ${place}`) * (ACTIONS.length - 1))] as string,
  );
  const thrown = (place: number, action: string, game: number, at: number): number => {
    const when = place % 4 === 1 ? action : `${game} ${at}`;
    return Math.floor(luckOf(seed, `thrown ${place} ${when}`) * COUNT);
  };
  const after = (place: number, action: string, game: number, at: number): { place: number; points: number } => {
    const onwards = (place + 1) % COUNT;
    if (action === right[place]) return { place: onwards, points: POINT };
    if (action === ACTIONS[0]) return { place: place % 4 === 3 ? onwards : place, points: 0 };
    return { place: thrown(place, action, game, at), points: MISTAKE };
  };
  const placeOf = (values: readonly number[]): number => values[0] as number;
  const world: World = {
    name: 'rounds',
    domain: DOMAIN,
    start: (game) => ({ values: [Math.floor(luckOf(seed, `start ${game}`) * COUNT)], game, at: 0 }),
    observation: ({ values }) => {
      const place = placeOf(values);
      return {
        hall: HALLS[Math.floor(place / PLACES)] as string,
        bearing: (place % PLACES) * 45 + 10,
        echo: 30 + Math.floor(luckOf(seed, `echo ${place}`) * 40),
        draught: 40 + Math.floor(luckOf(seed, `draught ${place}`) * 20),
      };
    },
    read: (situation) => {
      const hall = HALLS.indexOf(situation.get('hall') ?? '');
      return hall < 0 ? undefined : [hall * PLACES + Math.floor(Number(situation.get('bearing')) / 45)];
    },
    actions: (values) => offered(ACTIONS, world.best(values), seed, world.key(values)),
    key: (values) => String(placeOf(values)),
    best: (values) => right[placeOf(values)] as string,
    next: ({ values, game, at }, action) => {
      const { place, points } = after(placeOf(values), action, game, at);
      return { state: { values: [place], game, at: at + 1 } satisfies State, points };
    },
  };
  return world;
}
