import { PLAN_SOURCES } from '../../shared/decision.ts';
import { distributionName, type FigureUnit } from '../plans/figures/figure.ts';
import { PLAN_FIGURES } from '../plans/figures/plan-figures.ts';

/** One total of the page: its name, its path in `stats()`, and the unit it is shown in. */
export type PageTotal = readonly [name: string, path: string, unit: FigureUnit];

const IN_TOTALS = /^(?:plans|reads|cache|calls)\.\w+$|^fallbacks$/;
/** The values of distributions that the page shows. */
const SHOWN_TIMES: Readonly<Record<string, readonly string[]>> = { planningMs: ['mean', 'max'], latenessMs: ['p99'] };

const TOTALS: readonly PageTotal[] = PLAN_FIGURES.flatMap(({ path, name, unit }): PageTotal[] => {
  if (IN_TOTALS.test(path)) return [[name, path, unit]];
  return (SHOWN_TIMES[path] ?? []).map((at) => [distributionName(name, at), `${path}.${at}`, 'ms']);
});

/** What the page shows of the table of figures, and the sources of plans, as one of its modules: it cannot import TypeScript. */
export const FIGURES_MODULE = `export const TOTALS = ${JSON.stringify(TOTALS)};
export const SOURCES = ${JSON.stringify(PLAN_SOURCES)};
`;
