export interface Settings {
  /** A short run that only shows that everything works. */
  readonly quick: boolean;
  /** Nothing but the result. */
  readonly json: boolean;
  readonly rounds: number;
  /** Of the host's event loop. */
  readonly seconds: number;
}

/** Parts of the result. */
export type Figures = Readonly<Record<string, number>>;
