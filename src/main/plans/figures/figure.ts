/** The unit of a figure. A `count` may be a part of a whole, `times` is a distribution in ms, a `flag` is 1 for yes. */
export type FigureUnit = 'count' | 'share' | 'ms' | 'times' | 's' | 'rate' | 'bytes' | 'tokens' | 'flag';

/** The whole that a count is a part of, or that a share is taken of. */
export type Whole = 'plans' | 'calls' | 'lookups' | 'wantedCalls' | 'comparedPlans';

interface FigureExtras {
  /** For a count: allows `--expect` to bound it in percent. */
  readonly of?: Whole;
  /** For a share: the path of the count that is divided by its whole. */
  readonly part?: string;
  /** Its metric in Prometheus syntax, with the labels that its path does not give: `conclave_calls_total{outcome="useful"}`. */
  readonly metric?: string;
  /** Help text of a metric that combines several figures; given at the first of them. */
  readonly metricHelp?: string;
  /** Its line in the text of a report: the line's name, what is counted, and the rest of the phrase. */
  readonly said?: readonly [name: string, noun: string, rest: string];
}

/** One figure without its path: name, unit, which way is better, and one sentence that defines it. */
export type FigureRow = readonly [
  name: string,
  unit: FigureUnit,
  best: 'high' | 'low' | 'none',
  help: string,
  extras?: FigureExtras,
];

export interface Figure extends FigureExtras {
  /** Its place in `stats()` or in a report; `*` stands for each item of a list or each name of a record. */
  readonly path: string;
  readonly name: string;
  readonly unit: FigureUnit;
  readonly best: FigureRow[2];
  readonly help: string;
}

/** Every path to a figure in `T`. `Names` are the keys of records: `*` in a path. Distributions are one figure each. */
export type FigurePath<T, Names extends string> = {
  [K in keyof T & string]-?: PathBelow<K, Exclude<T[K], undefined | null>, Names>;
}[keyof T & string];

type PathBelow<Path extends string, Value, Names extends string> = unknown extends Value
  ? never
  : [Value] extends [number | boolean]
    ? Path
    : PathInto<Path, Exclude<Value, false | string>, Names>;

type PathInto<Path extends string, Value, Names extends string> = [Value] extends [never]
  ? never
  : Value extends readonly (infer Item)[]
    ? Item extends string
      ? never
      : `${Path}.*.${FigurePath<Item, Names>}`
    : Value extends { readonly p50: number }
      ? Path
      : string extends keyof Value
        ? `${Path}.*`
        : keyof Value extends Names
          ? `${Path}.*`
          : `${Path}.${FigurePath<Value, Names>}`;

export function figuresOf(rows: Readonly<Record<string, FigureRow>>): Figure[] {
  return Object.entries(rows).map(([path, [name, unit, best, help, extras]]) => {
    return { path, name, unit, best, help, ...extras };
  });
}

/** The name of one value of a distribution: `Planning time, p95`. */
export function distributionName(name: string, percentile: string): string {
  return `${name}, ${percentile === 'max' ? 'longest' : percentile}`;
}

/** One value of a figure, and what each `*` of its path matched: the name in a record, or the item of a list. */
export interface FoundFigure {
  readonly value: unknown;
  readonly at: readonly { readonly name: string; readonly item: unknown }[];
}

/** All values of the figure at `path`; none if a part of the path is off. */
export function valuesAt(tree: unknown, path: string): FoundFigure[] {
  let found: FoundFigure[] = [{ value: tree, at: [] }];
  for (const name of path.split('.')) {
    found = found.flatMap(({ value, at }) => {
      if (value === null || typeof value !== 'object') return [];
      if (name !== '*') return [{ value: (value as Record<string, unknown>)[name], at }];
      return Object.entries(value).map(([key, item]) => ({ value: item, at: [...at, { name: key, item }] }));
    });
  }
  return found;
}
