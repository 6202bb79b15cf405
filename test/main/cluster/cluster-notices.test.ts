import { expect, it } from 'vitest';
import { ClusterNotices } from '../../../src/main/cluster/cluster-notices.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function noticesOf(): { readonly notices: ClusterNotices; readonly clock: FakeClock; readonly said: string[] } {
  const clock = new FakeClock();
  const said: string[] = [];
  return { clock, said, notices: new ClusterNotices(clock, (message) => void said.push(message)) };
}

it('an oddity is reported once, however often it happens, and a hundred of them at most', () => {
  const { notices, said } = noticesOf();
  for (let i = 0; i < 1_000; i++) notices.once('poisoned', `damaged ${i}`);
  expect(said).toEqual(['damaged 0']);
  for (let i = 0; i < 1_000; i++) notices.once(`key ${i}`, 'odd');
  expect(said).toHaveLength(100);
});

it('an engine that comes and goes is reported a few times a minute, and how it ended', () => {
  const { notices, clock, said } = noticesOf();
  for (let i = 0; i < 600; i++) notices.changed(i % 2 === 0 ? 'away' : 'joined');
  expect(said).toEqual(['away', 'joined', 'away', 'joined', 'away', 'joined']);
  clock.advance(60_000);
  expect(said.at(-1)).toBe('joined (after 594 changes in a minute that were not reported)');
  clock.advance(60_000);
  notices.changed('away');
  expect(said.slice(7)).toEqual(['away']);
  notices.close();
  expect(clock.pendingTimers).toBe(0);
});
