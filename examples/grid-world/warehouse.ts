import { defineDomain, type Planner } from '../../src/main/index.ts'; // installed: from 'conclave'
import { next, nextActions, type State } from './world.ts';

const cells = { kind: 'number', edges: [1, 2, 3, 4, 5], range: [0, 5] } as const;

/** A robot that carries parcels across a warehouse, in which a forklift drives about. */
export const warehouse = defineDomain({
  name: 'warehouse',
  description:
    'It is a robot that fetches parcels at x 0, y 0 and takes them to x 5, y 5, without meeting the forklift.',
  features: {
    robotX: cells,
    robotY: cells,
    forkliftX: cells,
    forkliftY: cells,
    carrying: { kind: 'flag' },
  },
  roles: [{ name: 'route', prompt: 'Judge which step gets the robot to its goal soonest, away from the forklift.' }],
  // The planner computes by itself which states may come next. The host tells nothing.
  next: new URL('./world.ts', import.meta.url).href,
});

const START: State = { robotX: 2, robotY: 2, forkliftX: 4, forkliftY: 1, carrying: true };

export interface Shift {
  readonly steps: number;
  /** Lets the time of one step pass. */
  readonly pass: () => Promise<void>;
  /** A number from 0 to 1. */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** Returns in how many steps the plan came from the cache. */
export async function work(planner: Pick<Planner<typeof warehouse>, 'plan'>, shift: Shift): Promise<number> {
  let state = START;
  let ready = 0;
  for (let step = 1; step <= shift.steps; step++) {
    const request = { agent: 'robot', observation: { ...state }, actions: nextActions(state) };
    const { action, source, latencyMs } = await planner.plan(request, { timeoutMs: 8_000 });
    if (source === 'cache') ready++;
    shift.log(`step ${step}: ${state.robotX}/${state.robotY} ${action} (${source}, ${latencyMs.toFixed(1)} ms)`);
    await shift.pass();
    const following = next(state, action);
    state = following[Math.floor(shift.random() * following.length)] ?? state;
  }
  return ready;
}
