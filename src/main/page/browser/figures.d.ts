import type { PageTotal } from '../page-figures.ts';

/** The module that the server generates from the table of figures. */
export const TOTALS: readonly PageTotal[];
