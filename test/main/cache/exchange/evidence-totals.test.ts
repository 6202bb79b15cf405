import { expect, it } from 'vitest';
import {
  type CountedPart,
  EvidenceTotals,
  type TotalsRow,
} from '../../../../src/main/cache/exchange/evidence-totals.ts';

/** Counts what it hears. */
function counted(): { part: CountedPart; sum: () => number } {
  let sum = 0;
  const part: CountedPart = {
    totals: () => [],
    has: (group) => group.startsWith('g'),
    isPossible: () => true,
    hear: (_group, _row, [more = 0]) => {
      sum += more;
    },
  };
  return { part, sum: () => sum };
}

it('counts all nodes that the engine can have, however often they are read', () => {
  const { part, sum } = counted();
  const totals = new EvidenceTotals([part]);
  // As many groups as the hash at the engine may have.
  for (let read = 0; read < 3; read++) {
    for (let node = 0; node < 4_096; node++) totals.hear(`n${node}`, 'g', [[0, 1]]);
  }
  expect(sum()).toBe(4_096);
});

it('forgets the nodes that were heard longest ago, and remembers a bounded number of groups', () => {
  const { part, sum } = counted();
  const totals = new EvidenceTotals([part]);
  for (let node = 0; node < 20; node++) {
    for (let group = 0; group < 1_000; group++) totals.hear(`n${node}`, `g${group}`, [[0, 1]]);
  }
  expect(totals.nodes).toBeLessThan(10);
  expect(sum()).toBe(20_000);
  expect(totals.hear('n19', 'g0', [[0, 1]])).toBe('known');
});

it('a row that comes twice in a group is from no node', () => {
  const { part, sum } = counted();
  const rows: TotalsRow[] = [
    [0, 5],
    [0, 5],
  ];
  expect(new EvidenceTotals([part]).hear('n', 'g', rows)).toBe('poisoned');
  expect(sum()).toBe(0);
});
