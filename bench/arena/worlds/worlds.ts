import type { WorldMaker } from '../world.ts';
import { frontier } from './frontier.ts';
import { kitchen } from './kitchen.ts';
import { rounds } from './rounds.ts';

export const WORLDS: Readonly<Record<string, WorldMaker>> = { rounds, frontier, kitchen };
