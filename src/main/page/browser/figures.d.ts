import type { PageTotal } from '../page-figures.ts';

/** The module that the server makes from the table of figures. */
export const TOTALS: readonly PageTotal[];
