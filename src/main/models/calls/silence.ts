/** The calls that hold all slots of an endpoint, where none of them has had a token. */
export interface Silence {
  readonly calls: number;
  /** How long ago the first of them began, milliseconds. */
  readonly oldestMs: number;
}
