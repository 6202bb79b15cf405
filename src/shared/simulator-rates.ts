/**
 * Names of the rates of the simulated model server: the shares of each kind of answer and failure
 * (src/workers/simulator/options.ts describes each).
 */
export const RATE_NAMES = [
  'illegal',
  'ambiguous',
  'empty',
  'rambling',
  'oddFormat',
  'think',
  'runaway',
  'http500',
  'reset',
  'hang',
  'errorEvent',
  'cut',
  'unparsable',
] as const;

export type RateName = (typeof RATE_NAMES)[number];
