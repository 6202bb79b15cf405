import { inFlight } from '../../figures.ts';
import { MODEL, requestOf } from '../../requests.ts';
import { startServer } from '../../start-server.ts';
import { peekAll, planAll, startPlanner } from '../contestants.ts';
import { peekAllByHand, planAllByHand, UsersCache } from '../peers.ts';
import { type Contestant, playRounds, ratioFigure, type Say, sayTimes, speedRatios, timesOf } from '../rounds.ts';
import type { Figures, Settings } from '../section.ts';
import { copyOf, randomOrder } from '../states.ts';

const STATES = 1_000;
const STATES_QUICK = 100;
const PLANS_IN_FLIGHT = 16;

/** Whole cached plans and peeks against a cache by hand, which checks nothing and counts nothing. All are hits. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const states = quick ? STATES_QUICK : STATES;
  const operations = quick ? 2_000 : 20_000;
  say(`plans: cached plans and peeks, ${states} states in random order, all hits`);
  const server = await startServer('answer', MODEL);
  const planner = await startPlanner(server.baseURL, states);
  const requests = Array.from({ length: states }, (_, i) => copyOf(requestOf(i)));
  const byHand = new UsersCache(states);
  await inFlight(states, PLANS_IN_FLIGHT, async (index) => {
    const request = requests[index] as (typeof requests)[number];
    await planner.plan(request);
    const decision = planner.peek(request);
    if (decision === undefined) throw new Error('a plan was not remembered');
    byHand.remember(request, decision);
  });
  const order = randomOrder(operations, states, 1);
  const contestant = (name: string, turn: Contestant['turn']): Contestant => ({ name, operations, turn });
  const times = await playRounds(
    [
      contestant('plan', () => planAll(planner, requests, order)),
      contestant('plan by hand', () => planAllByHand(byHand, requests, order)),
      contestant('peek', () => peekAll(planner, requests, order)),
      contestant('peek by hand', () => peekAllByHand(byHand, requests, order)),
    ],
    rounds,
    quick ? 2 : 4,
    say,
  );
  await planner.close();
  server.close();
  sayTimes(say, times);
  const against = (ours: string, theirs: string): number =>
    ratioFigure(say, `speed of ${ours} / ${theirs}`, speedRatios(timesOf(times, ours), timesOf(times, theirs)));
  return { planVsLru: against('plan', 'plan by hand'), peekVsLru: against('peek', 'peek by hand') };
}
