/** The calls that hold all slots of an endpoint, when none of them has had a token. */
export interface Silence {
  readonly calls: number;
  /** Time since the first of them started, in milliseconds. */
  readonly oldestMs: number;
}
