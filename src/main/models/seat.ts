/** A model at an endpoint that serves it, by the name that it has there. */
export interface Seat {
  readonly endpoint: string;
  readonly model: string;
}
