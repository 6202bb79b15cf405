import { arenaDomain, BEST_SCORE, luckOf, offered, STEPS, type World } from '../world.ts';

/*
 * Work shared with a partner who acts by itself, where most states recur: cooking together, crews, assembly with a robot. A job
 * has six stages and counts only when it is done. The partner walks round four stations, now and then it stays; the stove
 * changes on its own. What is right depends on the stage, and where the partner or the stove is in the way, on them. A mistake
 * costs no points but undoes two stages. Tidying changes nothing, and at times the partner does the stage it stands by.
 */
const ACTIONS = ['tidy', 'chop', 'stir', 'fetch', 'plate', 'wash'] as const;
const STATIONS: readonly string[] = ['counter', 'stove', 'pantry', 'sink'];
const STAGES = 6;
const STOVES = 3;
const UNDONE = 2;
/** How often the partner, standing by, does the stage of one who tidies. */
const HELP = 0.7;
const JOB = (BEST_SCORE / STEPS) * STAGES;

const DOMAIN = arenaDomain('kitchen', 'One of two cooks who share a kitchen and make dish after dish.', {
  partner: { kind: 'category', values: STATIONS },
  stage: { kind: 'number', edges: [1, 2, 3, 4, 5], range: [0, 5] },
  stove: { kind: 'number', edges: [40, 60], range: [0, 100] },
});

export function kitchen(seed: number): World {
  const pickOf = (name: string): string => ACTIONS[1 + Math.floor(luckOf(seed, name) * (ACTIONS.length - 1))] as string;
  const stoveOf = (game: number, at: number): number => Math.floor(luckOf(seed, `stove ${game} ${at >> 1}`) * STOVES);
  const partnerAfter = (partner: number, game: number, at: number): number =>
    luckOf(seed, `partner ${game} ${at}`) < 0.75 ? (partner + 1) % STATIONS.length : partner;
  const decide = ([stage, partner, stove]: readonly number[]): string => {
    if (luckOf(seed, `crowded ${stage} ${partner}`) < 0.4) return pickOf(`around ${stage} ${partner}`);
    if (luckOf(seed, `hot ${stage} ${stove}`) < 0.4) return pickOf(`heat ${stage} ${stove}`);
    return pickOf(`stage ${stage}`);
  };
  const world: World = {
    name: 'kitchen',
    domain: DOMAIN,
    start: (game) => ({
      values: [0, Math.floor(luckOf(seed, `start ${game}`) * STATIONS.length), stoveOf(game, 0)],
      game,
      at: 0,
    }),
    observation: ({ values: [stage, partner, stove] }) => ({
      partner: STATIONS[partner as number] as string,
      stage: stage as number,
      stove: 35 + 15 * (stove as number),
    }),
    read: (situation) => {
      const partner = STATIONS.indexOf(situation.get('partner') ?? '');
      const stove = (Number(situation.get('stove')) - 35) / 15;
      return partner < 0 ? undefined : [Number(situation.get('stage')), partner, stove];
    },
    actions: (values) => offered(ACTIONS, world.best(values), seed, world.key(values)),
    key: (values) => values.join(' '),
    best: decide,
    next: ({ values, game, at }, action) => {
      const [stage, partner] = values as readonly [number, number, number];
      const isNear = stage % STATIONS.length === partner;
      const isHelped = action === ACTIONS[0] && isNear && luckOf(seed, `helps ${game} ${at}`) < HELP;
      const isDone = action === decide(values) || isHelped;
      const undone = action === ACTIONS[0] ? stage : Math.max(0, stage - UNDONE);
      const reached = isDone ? stage + 1 : undone;
      const state = {
        values: [reached % STAGES, partnerAfter(partner, game, at), stoveOf(game, at + 1)],
        game,
        at: at + 1,
      };
      return { state, points: reached === STAGES ? JOB : 0 };
    },
  };
  return world;
}
