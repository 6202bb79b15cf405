import { setImmediate as nextTurn } from 'node:timers/promises';
import { median, rounded } from '../figures.ts';

/** Rounds side by side: every contestant has a turn in each, so that a disturbance of the machine meets all of them. */
export interface Contestant {
  readonly name: string;
  /** Operations of a turn. */
  readonly operations: number;
  /** Returns a figure made of everything that was read, so that no read can be left out. */
  turn(): number | Promise<number>;
}

export interface Times {
  readonly name: string;
  /** Nanoseconds an operation, by round. */
  readonly ns: readonly number[];
}

/** What is said to people, on stderr. */
export type Say = (line: string) => void;

const PROGRESS_MS = 2_000;

/** Says where a long run stands, at most every two seconds. */
export class Progress {
  readonly #say: Say;
  #saidAtMs = performance.now();

  constructor(say: Say) {
    this.#say = say;
  }

  at(line: () => string): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidAtMs < PROGRESS_MS) return;
    this.#saidAtMs = nowMs;
    this.#say(`  ${line()}`);
  }
}

/** Warm-up rounds have negative numbers. */
function roundText(round: number, rounds: number, warmUpRounds: number): string {
  return round < 0 ? `warm-up ${round + warmUpRounds + 1} of ${warmUpRounds}` : `round ${round + 1} of ${rounds}`;
}

export async function playRounds(
  contestants: readonly Contestant[],
  rounds: number,
  warmUpRounds: number,
  say: Say,
): Promise<Times[]> {
  const ns = contestants.map((): number[] => []);
  const progress = new Progress(say);
  for (let round = -warmUpRounds; round < rounds; round++) {
    // Nobody has the same predecessor's heat in every round.
    for (let i = 0; i < contestants.length; i++) {
      const index = (i + round + warmUpRounds) % contestants.length;
      const { turn, operations } = contestants[index] as Contestant;
      // Timers of the one before fire here.
      await nextTurn();
      const startedAtMs = performance.now();
      await turn();
      if (round >= 0) ns[index]?.push(((performance.now() - startedAtMs) * 1e6) / operations);
      progress.at(() => roundText(round, rounds, warmUpRounds));
    }
  }
  return contestants.map(({ name }, i) => ({ name, ns: ns[i] as number[] }));
}

/** How many times the speed of `theirs` that of `ours` is, by round. */
export function speedRatios(ours: Times, theirs: Times): number[] {
  return ours.ns.map((ns, round) => (theirs.ns[round] as number) / ns);
}

export function spread(values: readonly number[], digits = 2): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}..${high.toFixed(digits)})`;
}

export function sayTimes(say: Say, times: readonly Times[]): void {
  for (const { name, ns } of times) say(`  ${name.padEnd(44)} ${spread(ns, 0)} ns`);
}

/** Says a ratio with its spread. Its median, as the result has it. */
export function ratioFigure(say: Say, name: string, ratios: readonly number[]): number {
  say(`  ${name.padEnd(44)} ${spread(ratios)}`);
  return rounded(median(ratios));
}

export function timesOf(times: readonly Times[], name: string): Times {
  const found = times.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no contestant is called ${name}`);
  return found;
}
