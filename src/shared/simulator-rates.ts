/** The kinds of answers and failures whose shares the simulated model server can be told (src/workers/simulator/options.ts says what each is). */
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
