import type { Planner } from '../../planner/planner.ts';
import type { FaceParts } from '../face.ts';
import type { ResolvedHttpOptions } from './http-options.ts';

/** What every route is given. Routes are added in `routes.ts`. */
export interface RouteParts extends FaceParts {
  readonly planner: Planner;
  readonly options: ResolvedHttpOptions;
  /** Whether the face lets nothing new in. */
  readonly isDraining: () => boolean;
}
