/**
 * The number of experts that are asked at once, from the chance of each to answer by the deadline. One answer is most of what a
 * plan needs, and a quorum's number is the rest. One more call is made if its slot is idle and it adds to that; on a server whose
 * calls slow one another it may reduce it, and then fewer are asked, one after the other.
 */
export interface CallsQuestion {
  /** Number of idle slots, at most the number of experts. */
  readonly most: number;
  /** Number of votes that a quorum may need. */
  readonly needed: number;
  /** The chance of each of `calls` calls if that many start now. */
  readonly chancesOf: (calls: number) => readonly number[];
}

/** Value of one answer in time, as a share; a quorum in time is worth the rest. */
export const FIRST_SHARE = 0.7;
/** One more call must add at least this much. */
const GAIN_MIN = 0.05;

/** The number of calls, at least 1. A call without an idle slot waits in the queue, where it slows nothing. */
export function callsAtOnce(question: CallsQuestion): number {
  const { most, needed } = question;
  const { best } = bestAtOnce(question);
  return best >= most ? Math.max(best, needed) : best;
}

/** What so many calls at once are worth, 0 to 1: an answer in time is most of it, a quorum in time the rest. */
export function worthAtOnce(question: CallsQuestion): number {
  return bestAtOnce(question).bestWorth;
}

function bestAtOnce({ most, needed, chancesOf }: CallsQuestion): { readonly best: number; readonly bestWorth: number } {
  let best = 1;
  let bestWorth = worthOf(chancesOf(1), needed);
  for (let calls = 2; calls <= most; calls++) {
    const worth = worthOf(chancesOf(calls), needed);
    if (worth < bestWorth + GAIN_MIN * (calls - best)) continue;
    best = calls;
    bestWorth = worth;
  }
  return { best, bestWorth };
}

function worthOf(chances: readonly number[], needed: number): number {
  return FIRST_SHARE * atLeast(1, chances) + (1 - FIRST_SHARE) * atLeast(needed, chances);
}

/** The chance that at least `wanted` of the calls end in time. */
function atLeast(wanted: number, chances: readonly number[]): number {
  // The chances of 0, 1, … calls in time (Poisson binomial).
  let inTime = [1];
  for (const chance of chances) {
    const next = new Array<number>(inTime.length + 1).fill(0);
    for (const [count, share] of inTime.entries()) {
      next[count] = (next[count] as number) + share * (1 - chance);
      next[count + 1] = (next[count + 1] as number) + share * chance;
    }
    inTime = next;
  }
  return inTime.slice(wanted).reduce((sum, share) => sum + share, 0);
}
