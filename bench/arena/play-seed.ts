import type { Clock } from '../../src/shared/clock.ts';
import { runVirtual, VirtualClock } from '../../test/sim/virtual-clock.ts';
import { type ContestantName, contestant, type Features } from './contestants.ts';
import { LATENCY_MS, openModelServer, type ServerKind } from './model-server.ts';
import { type Player, type PlayerReport, sightOf } from './player.ts';
import { GAMES, STEPS, type World } from './world.ts';
import { WORLDS } from './worlds/worlds.ts';

export interface Cell extends ServerKind {
  readonly world: string;
  /** Time of a step as a multiple of the mean time of a call. */
  readonly ratio: number;
  /** Whether requests have coarse values. */
  readonly values: boolean;
}

export interface SeedResult extends PlayerReport {
  /** The mean of its games. */
  readonly score: number;
}

export interface Stage {
  readonly world: World;
  readonly seed: number;
  readonly stepMs: number;
  readonly clock: Clock;
  readonly withValues: boolean;
  /** Default: all. */
  readonly games?: number;
}

/** All games of a seed, one after the other. The mean of their scores. */
export async function playGames(player: Player, stage: Stage): Promise<number> {
  const { world, seed, stepMs, clock, withValues, games = GAMES } = stage;
  const startMs = clock.now();
  let points = 0;
  for (let game = 0; game < games; game++) {
    let state = world.start(game);
    for (let step = 0; step < STEPS; step++) {
      const here = state;
      const sight = sightOf(world, seed, here, withValues);
      player.begin(sight, (action) => sightOf(world, seed, world.next(here, action).state, withValues));
      const endMs = startMs + (game * STEPS + step + 1) * stepMs;
      await new Promise<void>((resolve) => void clock.setTimer(endMs - clock.now(), resolve));
      const outcome = world.next(here, await player.act(sight));
      points += outcome.points;
      state = outcome.state;
    }
  }
  return points / games;
}

/** One contestant plays one seed of a cell in virtual time. */
export async function playSeed(
  cell: Cell,
  name: ContestantName,
  seed: number,
  features: Features = {},
  games = GAMES,
): Promise<SeedResult> {
  const clock = new VirtualClock();
  const make = WORLDS[cell.world];
  if (make === undefined) throw new Error(`there is no world ${cell.world}`);
  const world = make(seed);
  const server = openModelServer(world, cell, seed, clock);
  const stepMs = cell.ratio * LATENCY_MS;
  const play = async (): Promise<SeedResult> => {
    const player = await contestant(name).open({ world, seed, stepMs, clock, server }, features);
    const score = await playGames(player, { world, seed, stepMs, clock, withValues: cell.values, games });
    return { score, ...(await player.close?.()) };
  };
  const result = await runVirtual(clock, play());
  server.close();
  return result;
}
