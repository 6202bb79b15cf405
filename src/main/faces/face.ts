import type { Clock } from '../../shared/clock.ts';
import type { ByteBudget } from './byte-budget.ts';

/** A way into a planner from outside its process: a socket, standard input, HTTP. */
export interface Face extends AsyncDisposable {
  /** Where it listens, as shown to people: `http://127.0.0.1:7411`, a path, `standard input`. */
  readonly address: string;
  /** Stops accepting work; resolves when everything in progress has been answered and every connection has closed. */
  drain(): Promise<void>;
  /** Closes at once and cancels everything in progress. */
  close(): Promise<void>;
}

/** The part of pino that the faces use. */
export interface FaceLog {
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}

/** Parameters of every face, in addition to its planner and options. */
export interface FaceParts {
  readonly clock: Clock;
  readonly log: FaceLog;
  /** Version of the package. */
  readonly version: string;
  /** Shared limit on the large messages of all faces. Default: each face has only its own limit. */
  readonly largeBytes?: ByteBudget;
}
