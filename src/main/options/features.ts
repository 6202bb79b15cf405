/**
 * What the planner does on its own account, each of it on or off. A profile sets them; `features` of the options overrides
 * them one by one, so that a single one can be rolled back.
 */
export const FEATURE_NAMES = [
  /** Servers are asked at start what they are and have: kind, slots, loaded models, whether they keep to a schema. */
  'discovery',
  /** The number of calls at once is the server's slots, told or learned. Off: `maxConcurrent`. */
  'adaptiveSlots',
  /** Where slots share one processor, fewer calls than slots are made at once, so that they are in time. */
  'callWidth',
  /** Aborted calls hold their slot while the server is thought to work on. */
  'slotHolds',
  /** An endpoint that fails or is silent is not asked for a while. */
  'breaker',
  /** Timeouts come from measured times, within the configured ones. */
  'learnedTimeouts',
  /** A plan asks as few experts as its quorum may need, more when they disagree or are slow, and fewer under load. */
  'panelFit',
  /** Q-values count as a voice beside the experts', and each expert by its record. */
  'weightedVotes',
  /** A second try elsewhere for a call that takes unusually long, into idle slots only. */
  'hedging',
  /** One expert reads the shared prompt first, where the server reuses prefixes. */
  'priming',
  /** Answers are asked for as JSON of a schema where the server keeps to it. */
  'constrainedAnswers',
  /** Answers are read while they are written, and end as soon as they are decided. */
  'streaming',
  /** A vote counts as soon as its choice is certain, before its reason is written. */
  'earlyChoices',
  /** Model work that is late goes on, and is remembered, until somebody can make a deadline with its slots. */
  'lateAnswers',
  /** States that no model answered in time, or that few votes are known of, are asked about later, on slots that nobody needs. */
  'askLater',
  /** Without a model in time, an answer for the agent's state of a moment ago, or for a near state, stands in on evidence. */
  'lateRung',
  /** How many experts are asked at once follows from the chance to have their answers by the deadline. */
  'chanceFit',
  /** A newer request of an agent replaces its older one that still waits for a slot. */
  'newestFirst',
  /** Where plans wait for slots, the agent that has waited longest for a decision of a model goes ahead. */
  'fairTurns',
  /** A model that several endpoints serve is asked where it is expected to answer first. */
  'balancing',
  /** By all that is known of each place, also from calls that were cut; what is slower than waiting elsewhere is not asked. */
  'bestPlace',
  /** Addresses of one server are one endpoint, and endpoints of one machine share its slots. */
  'oneMachine',
  /** Where models put one another out of memory, panels ask those that are there, and a load counts as time. */
  'residency',
] as const;

export type FeatureName = (typeof FEATURE_NAMES)[number];
export type Features = Readonly<Record<FeatureName, boolean>>;

export function allFeatures(value: boolean): Features {
  return Object.fromEntries(FEATURE_NAMES.map((name) => [name, value])) as Features;
}
