/**
 * Names of the features that can be switched on or off one by one. A profile sets all of them; the option `features` overrides
 * single ones.
 */
export const FEATURE_NAMES = [
  /** Asks each server at start for its kind, slots and loaded models, and probes whether it enforces a JSON schema. */
  'discovery',
  /** Limits calls at once to the server's slots, as reported or learned. Off: `maxConcurrent` is the only limit. */
  'adaptiveSlots',
  /** Makes fewer calls at once than there are slots if slots slow each other down and calls would be late. */
  'callWidth',
  /** Counts the slot of an aborted call as busy while the server probably still works on it. */
  'slotHolds',
  /** Stops calling an endpoint for a while after failures or silence. */
  'breaker',
  /** Learns timeouts from measured times. The configured timeouts are upper bounds. */
  'learnedTimeouts',
  /** Asks only as many experts as the quorum needs: more if they disagree or are slow, fewer under load. */
  'panelFit',
  /** Weights each vote by its expert's record, and counts Q-values as one more vote. */
  'weightedVotes',
  /** Tries an unusually slow call a second time elsewhere, on idle slots only. */
  'hedging',
  /** Sends one expert ahead to read the shared prompt if the server reuses prefixes. */
  'priming',
  /** Requests answers as JSON of a schema if the server enforces it. */
  'constrainedAnswers',
  /** Reads answers as they are written, and ends them as soon as they are decided. */
  'streaming',
  /** Counts a vote as soon as its choice is certain, before its reason is written. */
  'earlyChoices',
  /** Lets calls continue after the deadline and remembers their answers, until a plan could be on time with their slots. */
  'lateAnswers',
  /** Asks models on idle slots about states that none answered in time, or that have few votes. */
  'askLater',
  /** Asks models on idle slots about states that agents are expected to be in, so that the answer is there when it is asked for. */
  'foresight',
  /** If no model answers in time, uses an answer for the agent's state of a moment ago, or for a near state, if evidence supports it. */
  'lateRung',
  /** Derives the number of experts asked at once from their chance to answer by the deadline. */
  'chanceFit',
  /** Lets an agent's newer request replace its older one that still waits for a slot. */
  'newestFirst',
  /** If plans wait for slots, serves the agent first that has waited longest for a model's decision. */
  'fairTurns',
  /** Asks a model that several endpoints serve where it is expected to answer first. */
  'balancing',
  /** Compares endpoints by everything known about them, including cut calls, and skips one that is slower than waiting for another. */
  'bestPlace',
  /** Treats several addresses of one server as one endpoint, and lets endpoints of one machine share its slots. */
  'oneMachine',
  /** Prefers loaded models if models evict each other from memory, and counts the time of a load. */
  'residency',
] as const;

export type FeatureName = (typeof FEATURE_NAMES)[number];
export type Features = Readonly<Record<FeatureName, boolean>>;

export function allFeatures(value: boolean): Features {
  return Object.fromEntries(FEATURE_NAMES.map((name) => [name, value])) as Features;
}
