import { functionLibrary } from './engine/function-library.ts';
import { SHARED_DOMAIN_LUA } from './shared-domain.ts';

/** The functions of all rooms. */
export const CLUSTER_LIBRARY = functionLibrary([...SHARED_DOMAIN_LUA]);
