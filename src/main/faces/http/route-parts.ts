import type { ChatPlanner } from '../../chat/chat-planner.ts';
import type { FaceParts } from '../face.ts';
import type { ResolvedHttpOptions } from './http-options.ts';
import type { Connections } from './wire/connections.ts';

/** Parameters of every route. Routes are added in `routes.ts`. */
export interface RouteParts extends FaceParts {
  readonly planner: ChatPlanner;
  readonly options: ResolvedHttpOptions;
  /** Provides the signal of a request, which aborts when the client disconnects. */
  readonly connections: Connections;
  /** Aborts when the face stops accepting work. Answers that would not end by themselves end then. */
  readonly draining: AbortSignal;
}
