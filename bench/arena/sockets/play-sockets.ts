import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import type { Features } from '../contestants.ts';
import { LATENCY_MS, SLOTS } from '../model-server.ts';
import { type Cell, playGames, playSeed } from '../play-seed.ts';
import type { Player, Table } from '../player.ts';
import { lateAgain } from '../players/bounds.ts';
import { asynchronous, blocking } from '../players/plain.ts';
import { PlannerPlayer, plannerOptions } from '../players/planner.ts';
import { WORLDS } from '../worlds/worlds.ts';
import { startModel } from './start-model.ts';

/*
 * The check of the virtual arena: the same games in real time, ten times faster, with real worker threads, real connections, and
 * the model in a process of its own.
 */
const SPEED = 10;
/** Of the eight games: a seed then lasts half a minute for T = L. */
export const SOCKET_GAMES = 3;

export const SOCKET_CONTESTANTS = ['blocking', 'async', 'lateAgain', 'planner'] as const;
export type SocketContestant = (typeof SOCKET_CONTESTANTS)[number];

const PLAIN: Readonly<Record<Exclude<SocketContestant, 'planner'>, (table: Table) => Player>> = {
  blocking,
  async: asynchronous,
  lateAgain,
};

export interface SocketResult {
  readonly name: SocketContestant;
  readonly score: number;
  /** What the same games come to in virtual time. */
  readonly virtual: number;
  /** The latest a plan was, milliseconds. */
  readonly lateMax?: number;
}

/** One contestant plays one seed over sockets, and again in virtual time. */
export async function playSockets(
  cell: Cell,
  name: SocketContestant,
  seed: number,
  features: Features,
): Promise<SocketResult> {
  const world = (WORLDS[cell.world] as (seed: number) => Table['world'])(seed);
  const model = await startModel(cell, seed, SPEED);
  const client = new ModelClient({ name: 'machine', baseURL: model.baseURL }, systemClock, SLOTS);
  const stepMs = (cell.ratio * LATENCY_MS) / SPEED;
  const stage = { world, seed, stepMs, clock: systemClock, withValues: cell.values, games: SOCKET_GAMES };
  try {
    const player =
      name === 'planner'
        ? new PlannerPlayer(await createPlanner(plannerOptions(world, model.baseURL, { features })), stepMs)
        : PLAIN[name]({ world, seed, stepMs, clock: systemClock, server: client });
    const score = await playGames(player, stage);
    const { lateMax } = (await player.close?.()) ?? {};
    const virtual = await playSeed(cell, name, seed, features, SOCKET_GAMES);
    return { name, score, virtual: virtual.score, ...(lateMax === undefined ? {} : { lateMax }) };
  } finally {
    await client.close();
    model.close();
  }
}
