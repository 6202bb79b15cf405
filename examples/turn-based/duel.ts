import { defineDomain, type Planner, type PlanRequest } from '../../src/main/index.ts'; // installed: from 'conclave'

/** A duel on a bridge, in turns: the hero does what was planned, which takes a moment, and then the troll replies by a throw of dice. */
export const duel = defineDomain({
  name: 'duel',
  description: 'It is a hero with a sword and a bow who fights a troll on a narrow bridge.',
  features: {
    troll: { kind: 'category', values: ['guards', 'rears', 'lunges', 'staggers', 'roars'] },
    distance: { kind: 'number', edges: [1, 2, 3, 4], range: [0, 5] },
    health: { kind: 'number', edges: [10, 20, 30, 40, 50, 60, 70, 80, 90], range: [0, 100] },
    trollHealth: { kind: 'number', edges: [10, 20, 30, 40, 50, 60, 70, 80, 90], range: [0, 100] },
    arrows: { kind: 'number', edges: [1, 2, 3, 4, 5, 6], range: [0, 6] },
  },
  roles: [{ name: 'tactics', prompt: 'Judge which action wins the duel, and when it is time to keep away.' }],
});

export interface State {
  readonly troll: 'guards' | 'rears' | 'lunges' | 'staggers' | 'roars';
  readonly distance: number;
  readonly health: number;
  readonly trollHealth: number;
  readonly arrows: number;
}

const START: State = { troll: 'roars', distance: 4, health: 100, trollHealth: 100, arrows: 6 };

export function actionsIn({ distance, arrows }: State): string[] {
  const near = distance <= 1 ? ['strike', 'block'] : ['approach'];
  return [...near, ...(arrows > 0 && distance > 0 ? ['shoot'] : []), ...(distance < 5 ? ['step back'] : []), 'wait'];
}

/** What the hero's action comes to, before the troll replies. */
function afterAction(state: State, action: string): State {
  const { distance, trollHealth, arrows, troll } = state;
  const isOpen = troll === 'rears' || troll === 'staggers';
  if (action === 'strike') return { ...state, trollHealth: trollHealth - (isOpen ? 22 : 9) };
  if (action === 'shoot') return { ...state, arrows: arrows - 1, trollHealth: trollHealth - (isOpen ? 14 : 6) };
  if (action === 'approach') return { ...state, distance: distance - 1 };
  return action === 'step back' ? { ...state, distance: distance + 1 } : state;
}

export interface Reply {
  readonly state: State;
  readonly likelihood: number;
}

/** Everything that the troll may do in return: the game knows it before the dice are thrown. A duel that is over begins again. */
export function repliesTo(before: State, action: string): Reply[] {
  const state = afterAction(before, action);
  const isBlocked = action === 'block';
  const reach = state.distance <= 1 ? (isBlocked ? 4 : 17) : 0;
  const replies: (readonly [number, Partial<State>])[] = [
    [0.3, { troll: 'lunges', distance: Math.max(0, state.distance - 1), health: state.health - reach }],
    [0.25, { troll: 'guards' }],
    [0.2, { troll: 'rears', health: state.health - Math.round(reach / 2) }],
    [0.15, { troll: 'staggers' }],
    [0.1, { troll: 'roars', trollHealth: Math.min(100, state.trollHealth + 8) }],
  ];
  return replies.map(([likelihood, change]) => ({ likelihood, state: orAgain({ ...state, ...change }) }));
}

function orAgain(state: State): State {
  return state.health <= 0 || state.trollHealth <= 0 ? START : state;
}

export interface Table {
  readonly turns: number;
  /** How long an action takes on the screen, in milliseconds. */
  readonly moveMs: number;
  /** Lets so much time pass. */
  readonly pass: (ms: number) => Promise<void>;
  /** A number from 0 to 1. */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

export interface Score {
  /** Turns in a state that was told a turn before, and those of them that were answered within 5 ms. */
  readonly told: number;
  readonly ready: number;
  /** Longest wait for a plan in a told state, in milliseconds. */
  readonly longestMs: number;
}

export async function play(planner: Pick<Planner<typeof duel>, 'plan' | 'expect'>, table: Table): Promise<Score> {
  const score = { told: 0, ready: 0, longestMs: 0 };
  let state = START;
  for (let turn = 1; turn <= table.turns; turn++) {
    const plan = await planner.plan(requestIn(state), { timeoutMs: 8_000 });
    if (turn > 1) {
      score.told++;
      if (plan.latencyMs <= 5) score.ready++;
      score.longestMs = Math.max(score.longestMs, plan.latencyMs);
    }
    table.log(
      `turn ${turn}: troll ${state.troll}, hero ${plan.action} (${plan.source}, ${plan.latencyMs.toFixed(1)} ms)`,
    );
    const replies = repliesTo(state, plan.action);
    // The models think about each of these while the action is shown.
    planner.expect(
      replies.map((reply) => ({ ...requestIn(reply.state), inMs: table.moveMs, likelihood: reply.likelihood })),
    );
    await table.pass(table.moveMs);
    state = thrown(replies, table.random());
  }
  return score;
}

function requestIn(state: State): PlanRequest<typeof duel> {
  return { agent: 'hero', observation: { ...state }, actions: actionsIn(state) };
}

function thrown(replies: readonly Reply[], luck: number): State {
  let sum = 0;
  for (const { state, likelihood } of replies) {
    sum += likelihood;
    if (luck < sum) return state;
  }
  return (replies.at(-1) as Reply).state;
}
