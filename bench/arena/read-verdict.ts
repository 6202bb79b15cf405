import type { Cell } from './play-seed.ts';
import type { ReadKind } from './policy.ts';
import { holm, lossProbability, mean, standardError } from './statistics.ts';
import { type CellResults, LEVEL } from './verdict.ts';

/** A cell in which the server can be read, next to the same cell in words, by the same planner on the same seeds. */
export interface ReadCellVerdict extends Cell {
  readonly reads: ReadKind;
  readonly written: number;
  readonly planner: number;
  /** Mean difference to `written`, and its standard error, paired by seed. */
  readonly gain: number;
  readonly gainSe: number;
  readonly lossP: number;
  readonly isLoss: boolean;
  readonly sources: Readonly<Record<string, number>>;
}

export interface ReadVerdict {
  readonly cells: readonly ReadCellVerdict[];
  readonly significantLosses: number;
  /** Cells where a step is at most as long as a call and longer than a read that is as good as writing, and those of them that gain. */
  readonly quick: { readonly cells: number; readonly better: number; readonly worstGain: number | null };
}

/** The same cells with each kind of read. */
export function withReads(cells: readonly Cell[], kinds: readonly ReadKind[]): Cell[] {
  return cells.flatMap((cell) => kinds.map((reads) => ({ ...cell, reads })));
}

export function judgeReads(all: readonly CellResults[], steps: number): ReadVerdict {
  const written = new Map(all.filter(({ cell }) => cell.reads === undefined).map((each) => [keyOf(each.cell), each]));
  const cells = all.flatMap((each) => {
    const { reads } = each.cell;
    return reads === undefined ? [] : [judgeCell(each, written.get(keyOf(each.cell)) as CellResults, reads, steps)];
  });
  const losses = holm(
    cells.map(({ lossP }) => lossP),
    LEVEL,
  );
  const judged = cells.map((cell, index) => ({ ...cell, isLoss: losses[index] as boolean }));
  const gains = judged.filter(isQuick).map(({ gain }) => gain);
  return {
    cells: judged,
    significantLosses: losses.filter(Boolean).length,
    quick: {
      cells: gains.length,
      better: gains.filter((gain) => gain > 0).length,
      worstGain: gains.length === 0 ? null : Math.min(...gains),
    },
  };
}

function keyOf({ world, ratio, latency, values }: Cell): string {
  return `${world} ${ratio} ${latency} ${values}`;
}

function isQuick({ ratio, reads: { share, skill } }: ReadCellVerdict): boolean {
  return skill === 1 && ratio <= 1 && share < ratio;
}

function judgeCell(
  { cell, results }: CellResults,
  words: CellResults,
  reads: ReadKind,
  steps: number,
): ReadCellVerdict {
  const played = results.planner ?? [];
  const before = words.results.planner ?? [];
  const differences = played.map(({ score }, index) => score - (before[index]?.score ?? 0));
  const sources: Record<string, number> = {};
  for (const { sources: counts = {} } of played) {
    for (const [name, count] of Object.entries(counts)) {
      sources[name] = (sources[name] ?? 0) + count / (steps * played.length);
    }
  }
  return {
    ...cell,
    reads,
    written: mean(before.map(({ score }) => score)),
    planner: mean(played.map(({ score }) => score)),
    gain: mean(differences),
    gainSe: standardError(differences),
    lossP: lossProbability(differences),
    isLoss: false,
    sources,
  };
}

/** One row a cell: the score in words, and what each kind of read adds to it. A mark for a loss beyond chance. */
export function readTableOf({ cells, significantLosses, quick }: ReadVerdict): string {
  const kinds = [...new Set(cells.map(({ reads }) => nameOf(reads)))];
  const rows = Map.groupBy(cells, keyOf);
  const head = `${'world'.padEnd(9)} T/L  ${'latency'.padEnd(12)}values  words${kinds.map((kind) => kind.padStart(13)).join('')}`;
  const lines = [...rows.values()].map((row) => {
    const { world, ratio, latency, values, written } = row[0] as ReadCellVerdict;
    const columns = row.map(({ gain, gainSe, isLoss }) => {
      const text = `${gain < 0 ? '' : '+'}${gain.toFixed(1)} ±${gainSe.toFixed(1)}${isLoss ? '!' : ' '}`;
      return text.padStart(13);
    });
    return `${world.padEnd(9)}${String(ratio).padStart(4)}  ${latency.padEnd(12)}${values ? 'yes' : 'no '} ${written.toFixed(1).padStart(8)}${columns.join('')}`;
  });
  const worst = quick.worstGain === null ? '–' : quick.worstGain.toFixed(1);
  return [
    'share of L / skill of a read: points more than in words',
    head,
    ...lines,
    `significant losses ${significantLosses} of ${cells.length} · step longer than a good read, T/L at most 1: better in ${quick.better} of ${quick.cells}, worst ${worst}`,
  ].join('\n');
}

function nameOf({ share, skill }: ReadKind): string {
  return `${share}/${skill}`;
}
