import type { ChatPlanner } from '../../../chat/chat-planner.ts';
import type { FaceParts } from '../../face.ts';
import type { ResolvedHttpOptions } from '../http-options.ts';
import type { Connections } from '../wire/connections.ts';

/** For routes whose schema only documents: the planner or the gateway checks what comes in. */
export const UNCHECKED = { validatorCompiler: () => () => true } as const;

/** The content of an answer that is one JSON object or a stream of events. */
export const JSON_OR_EVENTS = { 'application/json': { schema: {} }, 'text/event-stream': { schema: {} } } as const;

/** Parameters of every route. Routes are added in `routes.ts`. */
export interface RouteParts extends FaceParts {
  readonly planner: ChatPlanner;
  readonly options: ResolvedHttpOptions;
  /** Provides the signal of a request, which aborts when the client disconnects. */
  readonly connections: Connections;
  /** Aborts when the face stops accepting work. Answers that would not end by themselves end then. */
  readonly draining: AbortSignal;
}
