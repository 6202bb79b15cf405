/**
 * Named sets of defaults. `unoptimized` is the agent as it was before its optimization, `november` the published
 * optimization, `default` everything. What the user sets has precedence over the profile.
 */
export const PROFILE_NAMES = ['unoptimized', 'november', 'default'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export interface Profile {
  /** Time for a plan unless its request says otherwise. */
  readonly timeoutMs: number;
  /** The same for a request with an image. */
  readonly visionTimeoutMs: number;
  readonly expertTimeoutMs: number;
  readonly synthesisTimeoutMs: number;
  /** How many of the configured synthesis models are used. */
  readonly synthesisModelsMax: number;
  readonly cache: { readonly entries: number; readonly ttlMs: number } | false;
  readonly singleFlight: boolean;
  /** Between the starts of two calls on one endpoint. */
  readonly staggerMs: number;
  /** Further tries of a call that failed before anything was answered. */
  readonly callRetries: number;
  /** Whether rungs share the deadline by slices, or each takes its configured timeout and the next what is left. */
  readonly timeSlices: boolean;
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  unoptimized: {
    timeoutMs: 30_000,
    visionTimeoutMs: 30_000,
    expertTimeoutMs: 15_000,
    synthesisTimeoutMs: 15_000,
    synthesisModelsMax: 1,
    cache: false,
    singleFlight: false,
    staggerMs: 400,
    callRetries: 0,
    timeSlices: false,
  },
  november: {
    timeoutMs: 25_000,
    visionTimeoutMs: 30_000,
    expertTimeoutMs: 20_000,
    synthesisTimeoutMs: 15_000,
    synthesisModelsMax: 2,
    cache: { entries: 200, ttlMs: 120_000 },
    singleFlight: false,
    staggerMs: 300,
    callRetries: 0,
    timeSlices: false,
  },
  default: {
    timeoutMs: 10_000,
    visionTimeoutMs: 10_000,
    expertTimeoutMs: 20_000,
    synthesisTimeoutMs: 15_000,
    synthesisModelsMax: 8,
    cache: { entries: 200, ttlMs: 120_000 },
    singleFlight: true,
    staggerMs: 0,
    callRetries: 1,
    timeSlices: true,
  },
};
