import { describe, expect, test } from 'vitest';
import { StreamOrder } from '../../../../src/main/plans/prompts/stream-order.ts';
import { defineDomain, type Observation } from '../../../../src/shared/domain.ts';
import { renderSituation, situationOf } from '../../../../src/shared/situation.ts';

const domain = defineDomain({
  name: 'world',
  features: {
    health: { kind: 'number', edges: [30], range: [0, 100] },
    place: { kind: 'category' },
    seen: { kind: 'text' },
    picture: { kind: 'image', optional: true },
  },
});
const ACTIONS = ['attack', 'block', 'retreat'];

/** Shows an agent's states, in which health always changes, the text every second time, and the place and the actions hardly ever. */
function shown(order: StreamOrder, count: number, agent = 'a', actions = (_: number) => ACTIONS): void {
  for (let at = 0; at < count; at++) {
    const observation = { health: at % 97, place: `town ${Math.floor(at / 40)}`, seen: `A view of ${at >> 1}.` };
    order.saw(agent, situationOf({ agent, observation, actions: actions(at) }, 64));
  }
}

describe('the order of the parts of a prompt', () => {
  test('is that of the domain until enough was seen', () => {
    const order = new StreamOrder(domain);
    shown(order, 48);
    expect(order.current).toBeUndefined();
    shown(order, 1);
    expect(order.current).toBeDefined();
  });

  test('has the slow features before the fast ones, and no pictures', () => {
    const order = new StreamOrder(domain);
    shown(order, 60);
    const { beforeActions = [], afterActions = [] } = order.current ?? {};
    expect([...beforeActions, ...afterActions]).toEqual(['place', 'seen', 'health']);
  });

  test('has the actions where they change as fast as what is around them', () => {
    const order = new StreamOrder(domain);
    shown(order, 60, 'a', (at) => [...ACTIONS, `open door ${at}`]);
    expect(order.current?.beforeActions).toEqual(['place', 'seen']);
    expect(order.current?.afterActions).toEqual(['health']);
  });

  test('stays as it is while another one would save little, and while nothing changes', () => {
    const order = new StreamOrder(domain);
    shown(order, 60);
    const { current } = order;
    shown(order, 600);
    expect(order.current).toBe(current);
    const still = new StreamOrder(domain);
    for (let at = 0; at < 200; at++) {
      const observation: Observation = { health: 5, place: 'town', seen: 'A view.' };
      still.saw('a', situationOf({ agent: 'a', observation, actions: ACTIONS }, 64));
    }
    expect(still.current).toBeUndefined();
  });

  test('follows a stream that has changed, once the old one is forgotten', () => {
    const order = new StreamOrder(domain);
    shown(order, 60);
    for (let at = 0; at < 700; at++) {
      const observation = { health: 7, place: `room ${at}`, seen: 'A view of all that there is to see.' };
      order.saw('a', situationOf({ agent: 'a', observation, actions: ACTIONS }, 64));
    }
    const { beforeActions = [], afterActions = [] } = order.current ?? {};
    expect([...beforeActions, ...afterActions].at(-1)).toBe('place');
  });

  test('compares each agent with itself', () => {
    const order = new StreamOrder(domain);
    for (let at = 0; at < 400; at++) {
      const agent = String(at % 2);
      const observation = { health: at, place: `the place of ${agent}`, seen: `A view of ${at >> 2}.` };
      order.saw(agent, situationOf({ agent, observation, actions: ACTIONS }, 64));
    }
    expect([...(order.current?.beforeActions ?? []), ...(order.current?.afterActions ?? [])][0]).toBe('place');
  });
});

test('a prompt has the same lines in any order', () => {
  const observation = { health: 41, place: 'town', seen: 'A view.' };
  const asked = { agent: 'a', observation, actions: ACTIONS, qValues: { block: 1 } };
  const usual = renderSituation(domain, situationOf(asked, 64));
  const order = { beforeActions: ['place'], afterActions: ['seen', 'health'] };
  const other = renderSituation(domain, situationOf(asked, 64, undefined, order));
  expect(other).toMatch(
    /^SITUATION\nplace: town\n\nACTIONS\n1\. attack\n[\s\S]*\n\nNOW\nseen: A view\.\nhealth: 41\n\nVALUES/,
  );
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '' && line !== 'NOW');
  expect(lines(other).toSorted()).toEqual(lines(usual).toSorted());
});
