import { recordOfScene } from '../../cache/false-hits.ts';
import { GUESS_SOURCES, type GuessOutcome, type GuessSource } from './future.ts';

/** What became of futures. Each that was told ends as one of the others, except `asked` and `joined`, which are counted in addition. */
export interface GuessCounts {
  /** Futures that were told. */
  readonly told: number;
  /** Models were asked about it. */
  readonly asked: number;
  /** Not asked: the cache will still have an answer. */
  readonly known: number;
  /** Asked about and answered, and a plan in that state was served this answer. */
  readonly used: number;
  /** A plan in that state came before the answer. */
  readonly tooLate: number;
  /** Of those that came too late, those whose calls the plan joined. */
  readonly joined: number;
  /** Answered in time, but the cache held the answer back: it was contradicted or doubted, or the agent is in a loop. */
  readonly withheld: number;
  /** Asked about, but its agent came into another state. */
  readonly wrong: number;
  /** Ended without an answer: too many were told, none was free to answer, or it gave way to plans. */
  readonly dropped: number;
}

export interface GuessRow extends GuessCounts {
  readonly source: GuessSource;
  readonly scene: string;
}

type Counts = { -readonly [K in keyof GuessCounts]: GuessCounts[K] };
export type GuessEvent = keyof GuessCounts;

function noCounts(): Counts {
  return { told: 0, asked: 0, known: 0, used: 0, tooLate: 0, joined: 0, withheld: 0, wrong: 0, dropped: 0 };
}

/** Counts futures in all, and by source and scene. */
export class ForesightCounts {
  readonly total = noCounts();
  readonly #sources = new Map(GUESS_SOURCES.map((source) => [source, new Map<string, Counts>()]));

  add(event: GuessEvent | GuessOutcome, source: GuessSource, scene: string): void {
    this.total[event]++;
    recordOfScene(this.#sources.get(source) as Map<string, Counts>, scene, noCounts)[event]++;
  }

  rows(): GuessRow[] {
    return [...this.#sources].flatMap(([source, scenes]) =>
      [...scenes].map(([scene, counts]) => ({ source, scene, ...counts })),
    );
  }
}
