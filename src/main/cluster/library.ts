import { functionLibrary } from './engine/function-library.ts';
import { LEASES_LUA } from './leases/leases-lua.ts';
import { SHARED_DOMAIN_LUA } from './shared-domain.ts';

/** The functions of all rooms. */
export const CLUSTER_LIBRARY = functionLibrary([LEASES_LUA, ...SHARED_DOMAIN_LUA]);
