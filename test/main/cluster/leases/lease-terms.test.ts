import { expect, it } from 'vitest';
import { LEASE, readGrant } from '../../../../src/main/cluster/leases/lease-terms.ts';

const reply = [2, 2, 0, 1, 2, 4, 2, 2, 700, 0, 0];
const withFigure = (nth: number, figure: unknown) => reply.with(nth, figure as number);

it('a grant has whole figures, of which only the free slots may be negative', () => {
  expect(readGrant(reply)).toMatchObject({ leases: 2, free: 0, limit: 4, active: 2, restMs: 700 });
  expect(readGrant(withFigure(2, -3))?.free).toBe(-3);
  for (const figure of [-1, Number.NaN, 1e300, 0.5, null, Buffer.from('7'), []]) {
    for (const nth of [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]) expect(readGrant(withFigure(nth, figure))).toBeUndefined();
  }
  expect([readGrant([]), readGrant(7), readGrant(withFigure(7, 0))]).toEqual([undefined, undefined, undefined]);
});

it('no other node keeps this one from calling a server for longer than it may doubt', () => {
  expect(readGrant(withFigure(8, 1e15))?.restMs).toBe(LEASE.keptMs);
});
