import type { PlanSource } from '../../../shared/decision.ts';
import type { PageTotal } from '../page-figures.ts';

/** The module that the server generates from the table of figures. */
export const TOTALS: readonly PageTotal[];
/** Sources of plans, from the best rung to the last. */
export const SOURCES: readonly PlanSource[];
