import type { ForeseenShares, HorizonOutcome } from '../../replay/foresight/foresight-replay.ts';
import type { ForesightReport } from '../../replay/foresight/foresight-report.ts';
import { skippedRows } from './report-text.ts';
import { count, duration, percent, table } from './text.ts';

/** The report for people: how many requests were foreseen, by how far ahead, and what the gates would do. */
export function foresightText(report: ForesightReport): string {
  const { trace, foresight, interrupted, error } = report;
  const end = interrupted ? ', interrupted' : error ? ', ended early by a broken trace' : '';
  const { requests, newRequests, guessesPerDecision } = foresight;
  const seen = `${count(requests, 'request')} after a decision, ${count(newRequests)} in a state never seen before`;
  const heading = `Foresight ${trace.name}${end}: ${seen}\n${guessesPerDecision.toFixed(1)} guesses a decision`;
  const tables = [
    table(
      [['Foreseen', 'first guess', 'of three', 'new, first', 'new, of three'], ...foresight.byHorizon.map(row)],
      SHAPE,
    ),
    table([['After the gates', 'calls a decision', 'unused calls', 'answers ready'], ...gateRows(report)], SHAPE),
    ...skippedRows(trace).map((cells) => table([cells], SHAPE)),
  ];
  return `${[heading, ...tables, conclusion(report)].join('\n\n')}\n`;
}

const SHAPE = { indent: 2, alignRightFrom: 1 } as const;

function row(horizon: HorizonOutcome): string[] {
  const { first, three, newFirst, newThree }: ForeseenShares = horizon;
  return [ahead(horizon), ...[first, three, newFirst, newThree].map((share) => percent(share, 1))];
}

function ahead(horizon: HorizonOutcome): string {
  return 'steps' in horizon ? `${count(horizon.steps, 'request')} ahead` : `${duration(1_000 * horizon.seconds)} ahead`;
}

function gateRows({ foresight: { calls, extraCalls, ready } }: ForesightReport): string[][] {
  return Object.keys(calls).map((ms) => [
    `a model of ${duration(Number(ms))}`,
    ...[calls, extraCalls, ready].map((shares) => percent(shares[ms] ?? 0, 1)),
  ]);
}

/** Foresight is worth having from this share of answers on. */
const READY_MIN = 0.02;

function conclusion({ foresight: { ready } }: ForesightReport): string {
  const worth = Object.keys(ready).filter((ms) => (ready[ms] ?? 0) >= READY_MIN);
  if (worth.length === 0) return 'Foresight from experience does not pay here: its gates would stay shut.';
  return `Foresight from experience pays here for models of ${worth.map((ms) => duration(Number(ms))).join(', ')}.`;
}
