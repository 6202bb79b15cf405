import { CONTESTANT_NAMES } from './contestants.ts';
import type { CellVerdict, Verdict } from './verdict.ts';

const WIDTH = 9;

/** One row a cell: everybody's score, and what it comes to. */
export function tableOf({ cells, significantLosses, worstLossShare, worstVsBound }: Verdict): string {
  const names = CONTESTANT_NAMES.filter((name) => cells.some(({ scores }) => name in scores));
  const short = (name: string): string => name.slice(0, WIDTH - 1).padStart(WIDTH);
  const head = `${'world'.padEnd(9)} T/L  ${'latency'.padEnd(12)}values${names.map(short).join('')}    ±    loss p  /bound calls`;
  const verdict = [
    `significant losses ${significantLosses}`,
    `worst loss ${(100 * worstLossShare).toFixed(1)} % of the best`,
    `worst share of a bound ${worstVsBound === null ? '–' : worstVsBound.toFixed(2)}`,
  ];
  return [head, ...cells.map((cell) => rowOf(cell, names)), verdict.join(' · ')].join('\n');
}

function rowOf(cell: CellVerdict, names: readonly (keyof CellVerdict['scores'])[]): string {
  const { world, ratio, latency, values, scores, plannerSe, lossP, isLoss, vsBound, callsPerStep } = cell;
  const columns = names.map((name) => (scores[name]?.toFixed(1) ?? '').padStart(WIDTH));
  return [
    world.padEnd(9),
    String(ratio).padStart(4),
    `  ${latency.padEnd(12)}${values ? 'yes' : 'no '}   `,
    ...columns,
    plannerSe.toFixed(1).padStart(6),
    `${lossP.toFixed(4).padStart(9)}${isLoss ? '!' : ' '}`,
    (vsBound?.toFixed(2) ?? '').padStart(7),
    callsPerStep.toFixed(2).padStart(6),
  ].join('');
}
