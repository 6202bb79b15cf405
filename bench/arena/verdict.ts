import { type ContestantName, contestant } from './contestants.ts';
import type { Cell, SeedResult } from './play-seed.ts';
import { holm, lossProbability, mean, standardError } from './statistics.ts';
import { BEST_SCORE } from './world.ts';

/** All seeds of a cell, by contestant; the same seeds in the same order for each. */
export interface CellResults {
  readonly cell: Cell;
  readonly results: Readonly<Partial<Record<ContestantName, readonly SeedResult[]>>>;
}

export interface CellVerdict extends Cell {
  readonly planner: number;
  /** Of the difference to the best plain contestant, paired by seed. */
  readonly plannerSe: number;
  readonly bestPlain: number;
  readonly lossP: number;
  /** Null where no bound counts. */
  readonly bestBound: number | null;
  readonly bestPlainName: ContestantName;
  readonly bestBoundName: ContestantName | null;
  /** Planner over bound, both above the default action; null where the cell does not count. */
  readonly vsBound: number | null;
  readonly isLoss: boolean;
  readonly scores: Readonly<Partial<Record<ContestantName, number>>>;
  readonly callsPerStep: number;
  readonly sources: Readonly<Record<string, number>>;
}

export interface Verdict {
  readonly cells: readonly CellVerdict[];
  readonly significantLosses: number;
  readonly worstLossShare: number;
  readonly worstVsBound: number | null;
}

/** All cells together are wrongly called losses with at most this probability. */
export const LEVEL = 0.01;
/** A bound that reaches no more than this share of the world's best above the default says nothing about a ratio. */
const BOUND_MIN = 0.03;

export function judge(all: readonly CellResults[], steps: number): Verdict {
  const cells = all.map((results) => judgeCell(results, steps));
  const losses = holm(
    cells.map(({ lossP }) => lossP),
    LEVEL,
  );
  const judged = cells.map((cell, index) => ({ ...cell, isLoss: losses[index] as boolean }));
  const ratios = judged.map(({ vsBound }) => vsBound).filter((ratio) => ratio !== null);
  return {
    cells: judged,
    significantLosses: losses.filter(Boolean).length,
    worstLossShare: Math.max(0, ...judged.map(({ planner, bestPlain }) => (bestPlain - planner) / BEST_SCORE)),
    worstVsBound: ratios.length === 0 ? null : Math.min(...ratios),
  };
}

function judgeCell({ cell, results }: CellResults, steps: number): CellVerdict {
  const scoresOf = (name: ContestantName): readonly number[] => (results[name] ?? []).map(({ score }) => score);
  const names = Object.keys(results) as ContestantName[];
  const scores = Object.fromEntries(names.map((name) => [name, mean(scoresOf(name))])) as CellVerdict['scores'];
  const bestOf = (among: readonly ContestantName[]): ContestantName | undefined =>
    among.reduce<ContestantName | undefined>(
      (best, name) => (best === undefined || scoreIn(scores, name) > scoreIn(scores, best) ? name : best),
      undefined,
    );
  const bestPlainName = bestOf(names.filter((name) => contestant(name).kind === 'plain')) ?? 'default';
  const isBelow = cell.ratio < 1;
  const bounds = names.filter((name) => (isBelow ? name === 'lateAgain' : contestant(name).kind === 'bound'));
  const bestBoundName = bestOf(bounds);
  const planner = scoresOf('planner');
  const bestPlain = scoresOf(bestPlainName);
  const differences = planner.map((score, index) => score - (bestPlain[index] as number));
  const bestBound = bestBoundName === undefined ? null : scoreIn(scores, bestBoundName);
  const isCounted = cell.latency === 'independent' && bestBound !== null;
  return {
    ...cell,
    planner: mean(planner),
    plannerSe: standardError(differences),
    bestPlain: scoreIn(scores, bestPlainName),
    lossP: lossProbability(differences),
    bestBound,
    bestPlainName,
    bestBoundName: bestBoundName ?? null,
    vsBound: isCounted ? shareOfBound(mean(planner), bestBound, scoreIn(scores, 'default')) : null,
    isLoss: false,
    scores,
    ...useOf(results.planner ?? [], steps),
  };
}

function scoreIn(scores: CellVerdict['scores'], name: ContestantName): number {
  return scores[name] ?? 0;
}

/**
 * How much of what a bound gains over the default action the planner gains. Where the bound gains next to nothing, or loses,
 * a ratio would mean nothing: then it is 1 if the planner does not do worse than the better of both, else 0.
 */
export function shareOfBound(planner: number, bound: number, byDefault: number): number {
  const gain = bound - byDefault;
  if (gain > BOUND_MIN * BEST_SCORE) return (planner - byDefault) / gain;
  return planner >= Math.max(bound, byDefault) - BOUND_MIN * BEST_SCORE ? 1 : 0;
}

function useOf(results: readonly SeedResult[], steps: number): Pick<CellVerdict, 'callsPerStep' | 'sources'> {
  const sources: Record<string, number> = {};
  for (const result of results) {
    for (const [name, count] of Object.entries(result.sources ?? {})) {
      sources[name] = (sources[name] ?? 0) + count / (steps * results.length);
    }
  }
  return { callsPerStep: mean(results.map(({ calls }) => calls ?? 0)) / steps, sources };
}
