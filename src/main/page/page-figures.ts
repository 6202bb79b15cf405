import { distributionName, type FigureUnit } from '../plans/figures/figure.ts';
import { PLAN_FIGURES } from '../plans/figures/plan-figures.ts';

/** One total of the page: its name, its path in `stats()`, and the unit it is shown in. */
export type PageTotal = readonly [name: string, path: string, unit: FigureUnit];

const IN_TOTALS = /^(?:plans|reads|cache|calls)\.\w+$|^fallbacks$/;
/** Of distributions, the page shows these. */
const PERCENTILES: Readonly<Record<string, readonly string[]>> = { planningMs: ['mean', 'max'], latenessMs: ['p99'] };

const TOTALS: readonly PageTotal[] = PLAN_FIGURES.flatMap(({ path, name, unit }) =>
  IN_TOTALS.test(path)
    ? [[name, path, unit] as const]
    : (PERCENTILES[path] ?? []).map((at) => [distributionName(name, at), `${path}.${at}`, unit] as const),
);

/** The part of the table of figures that the page shows, as one of its modules: it cannot import TypeScript. */
export const FIGURES_MODULE = `export const TOTALS = ${JSON.stringify(TOTALS)};\n`;
