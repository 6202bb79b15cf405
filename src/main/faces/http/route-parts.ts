import type { ChatPlanner } from '../../chat/chat-planner.ts';
import type { FaceParts } from '../face.ts';
import type { ResolvedHttpOptions } from './http-options.ts';
import type { Connections } from './wire/connections.ts';

/** What every route is given. Routes are added in `routes.ts`. */
export interface RouteParts extends FaceParts {
  readonly planner: ChatPlanner;
  readonly options: ResolvedHttpOptions;
  /** For the signal of a request: it aborts when the client goes away. */
  readonly connections: Connections;
  /** Aborts when the face lets nothing new in. Answers that do not end by themselves end then. */
  readonly draining: AbortSignal;
}
