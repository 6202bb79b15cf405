/** The part of a session that a criterion covers. All parts are in the first lap: later laps find their states in the cache. */
export type Stretch = 'lap' | 'warmUp' | 'afterWarmUp';

const RELATIONS = ['<=', '>=', '<', '>', '='] as const;
export type Relation = (typeof RELATIONS)[number];

/** An expectation of one figure of the report. */
export interface Criterion {
  readonly text: string;
  readonly stretch: Stretch;
  /** The path of the figure in the JSON report, such as `planningMs.mean`. */
  readonly figure: string;
  readonly relation: Relation;
  readonly bound: number;
  /** The unit of the bound: percent of the whole, a time, or the figure's own unit. */
  readonly unit: '%' | 'ms' | 's' | undefined;
}

const FORM = /^\s*(?:(warmUp|afterWarmUp)\.)?([A-Za-z][\w.-]*)\s*(<=|>=|==|=|<|>)\s*(-?\d+(?:\.\d+)?)\s*(%|ms|s)?\s*$/;
export const CRITERION_RULE =
  'must be a figure of the report, one of < <= > >= =, and a number, in quotes: "hitRate>0.3", "timeouts<10%", "planningMs.mean<5s"';

/** Parses a criterion; undefined if the text is not one. Only the report knows whether its figure exists. */
export function parseCriterion(text: string): Criterion | undefined {
  const [, stretch, figure, relation, bound, unit] = FORM.exec(text) ?? [];
  if (figure === undefined) return undefined;
  return {
    text: text.trim(),
    stretch: (stretch ?? 'lap') as Stretch,
    figure,
    relation: (relation === '==' ? '=' : relation) as Relation,
    bound: Number(bound),
    unit: unit as Criterion['unit'],
  };
}

/** The published mean time of a plan, in real time. For a faster simulated server it is divided by its speed. */
const PUBLISHED_MEAN_MS = 5_000;

/**
 * The published list: no invalid model; cache hits for over 30 % of the first hundred plans and over 50 % afterwards; 5 s a plan; less than 10 % of
 * calls out of time and at least 80 % successful; fallbacks for less than 5 % of plans.
 */
export function publishedCriteria(speed: number): Criterion[] {
  return [
    'calls.byCode.ERR_MODEL_INVALID_ID=0',
    'warmUp.hitRate>30%',
    'afterWarmUp.hitRate>50%',
    `planningMs.mean<${PUBLISHED_MEAN_MS / speed}ms`,
    'timeouts<10%',
    'llmSuccess>=80%',
    'fallbacks<5%',
  ].map((text) => parseCriterion(text) as Criterion);
}
