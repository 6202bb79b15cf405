/** Kinds of answers whose standing is watched. Their order is part of what nodes send to each other. */
export const TIER_KINDS = ['exact', 'single', 'foreseen', 'similar', 'confirmed', 'old'] as const;
export type TierKind = (typeof TIER_KINDS)[number];
