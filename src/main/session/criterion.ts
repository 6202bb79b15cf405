/** The part of a session that a criterion is about. All of them are in the first lap: later ones meet what is remembered. */
export type Stretch = 'lap' | 'warmUp' | 'afterWarmUp';

const RELATIONS = ['<=', '>=', '<', '>', '='] as const;
export type Relation = (typeof RELATIONS)[number];

/** What is expected of one figure of the report. */
export interface Criterion {
  /** As it was given. */
  readonly text: string;
  readonly stretch: Stretch;
  /** The path of the figure in the JSON report, such as `planningMs.mean`. */
  readonly figure: string;
  readonly relation: Relation;
  readonly bound: number;
  /** What the bound is given in: a share of the whole in percent, a time, or the figure's own unit. */
  readonly unit: '%' | 'ms' | 's' | undefined;
}

const FORM = /^\s*(?:(warmUp|afterWarmUp)\.)?([A-Za-z][\w.-]*)\s*(<=|>=|==|=|<|>)\s*(-?\d+(?:\.\d+)?)\s*(%|ms|s)?\s*$/;
export const CRITERION_RULE =
  'must be a figure of the report, one of < <= > >= =, and a number, in quotes: "hitRate>0.3", "timeouts<10%", "planningMs.mean<5s"';

/** A criterion as it is written; undefined where the text is not one. Whether there is such a figure only the report knows. */
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

/** The published time for a plan, in life. A simulated server that runs faster is held to as much less. */
const PUBLISHED_MEAN_MS = 5_000;

/**
 * The published list: no invalid model; of the plans, hits over 30 % in the first hundred and over 50 % after them; 5 s a plan;
 * of the calls, less than 10 % out of time and at least 80 % successful; fallbacks for less than 5 % of the plans.
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
