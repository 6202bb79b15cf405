/** What was served of the first `decisions` of a trace, and how much of it was wrong. */
export interface SharePoint {
  readonly decisions: number;
  readonly served: number;
  readonly wrong: number;
}

/** Maximum number of points. When there are more, every second one is left out. */
const POINTS_MAX = 32;
const FIRST_EVERY = 100;

/** The share of wrong answers over the time of a replay, at evenly spaced points, however long the trace is. */
export class RunningShare {
  readonly #points: SharePoint[] = [];
  #every = FIRST_EVERY;

  add(decisions: number, { served, wrong }: Omit<SharePoint, 'decisions'>): void {
    if (decisions % this.#every !== 0) return;
    this.#points.push({ decisions, served, wrong });
    if (this.#points.length < POINTS_MAX) return;
    this.#every *= 2;
    const kept = this.#points.filter((point) => point.decisions % this.#every === 0);
    this.#points.splice(0, this.#points.length, ...kept);
  }

  /** Returns the points, the last of them at the end. */
  points(decisions: number, { served, wrong }: Omit<SharePoint, 'decisions'>): readonly SharePoint[] {
    const isAtEnd = decisions === 0 || this.#points.at(-1)?.decisions === decisions;
    return isAtEnd ? [...this.#points] : [...this.#points, { decisions, served, wrong }];
  }
}
