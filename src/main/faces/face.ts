import type { Clock } from '../../shared/clock.ts';
import type { ByteBudget } from './byte-budget.ts';

/** One way in to a planner, for others than its own process: a socket, standard input, HTTP. */
export interface Face extends AsyncDisposable {
  /** Where it listens, as people and messages call it: `http://127.0.0.1:7411`, a path, `standard input`. */
  readonly address: string;
  /** Lets nothing new in; resolves when what is under way has been answered and every connection has ended. */
  drain(): Promise<void>;
  /** Ends at once; what is under way there is cancelled. */
  close(): Promise<void>;
}

/** As much of pino as the faces use. */
export interface FaceLog {
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}

/** What every face is given beside its planner and its options. */
export interface FaceParts {
  readonly clock: Clock;
  readonly log: FaceLog;
  /** Of the package. */
  readonly version: string;
  /** What the large messages of all faces may hold together. Default: each face keeps to its own bound. */
  readonly largeBytes?: ByteBudget;
}
