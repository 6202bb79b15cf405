import { median, rounded } from '../../figures.ts';
import { playRounds, ratioFigure, type Say, sayTimes, speedRatios, timesOf } from '../../store/rounds.ts';
import type { Exchange } from '../clients/exchange.ts';
import type { BenchServer } from '../servers/serving.ts';

export interface Side {
  readonly name: string;
  readonly server: BenchServer;
  readonly exchange: Exchange;
}

export interface Compared {
  /** Speed of ours over theirs, within a round; the median of the rounds. */
  readonly ratio: number;
  /** The same by the servers' processor time a request: what remains where the client is the bottleneck. */
  readonly cpuRatio: number;
  readonly perSecond: number;
}

/** Two servers under the same client, in turns. */
export async function sideBySide(
  ours: Side,
  theirs: Side,
  { requests, rounds }: { requests: number; rounds: number },
  say: Say,
): Promise<Compared> {
  const cpu = new Map<Side, number[]>([
    [ours, []],
    [theirs, []],
  ]);
  const turn = (side: Side) => async (): Promise<number> => {
    const beforeMs = await side.server.cpuMs();
    const came = await side.exchange.run(requests);
    cpu.get(side)?.push((await side.server.cpuMs()) - beforeMs);
    return came;
  };
  const contestants = [ours, theirs].map((side) => ({ name: side.name, operations: requests, turn: turn(side) }));
  const times = await playRounds(contestants, rounds, 3, say);
  sayTimes(say, times);
  const ratio = ratioFigure(
    say,
    `speed of ${ours.name} / ${theirs.name}`,
    speedRatios(timesOf(times, ours.name), timesOf(times, theirs.name)),
  );
  const cpuOf = (side: Side): number => median(cpu.get(side)?.slice(-rounds) ?? []);
  for (const side of [ours, theirs]) {
    say(
      `  ${`processor time of ${side.name}`.padEnd(44)} ${((cpuOf(side) * 1_000) / requests).toFixed(1)} us a request`,
    );
  }
  return {
    ratio,
    cpuRatio: rounded(cpuOf(theirs) / cpuOf(ours)),
    perSecond: Math.round(1e9 / median(timesOf(times, ours.name).ns)),
  };
}
