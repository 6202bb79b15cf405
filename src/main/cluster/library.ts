import { functionLibrary } from './engine/function-library.ts';

/** The functions of all rooms. */
export const CLUSTER_LIBRARY = functionLibrary([]);
