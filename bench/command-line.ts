import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The values of the flags. `--help` prints the help and ends with 0. */
export function readFlags<const O extends Options>(
  help: string,
  options: O,
): ReturnType<typeof parseArgs<{ options: O }>>['values'] {
  try {
    const values: object = parseArgs({ options: { ...options, help: { type: 'boolean' } } }).values;
    if (!('help' in values)) return values as ReturnType<typeof readFlags<O>>;
  } catch (error) {
    return benchLine(help).wrongUse((error as Error).message);
  }
  console.log(help);
  process.exit(0);
}

/** What benchmarks with a `--help` have in common. */
export interface BenchLine {
  /** Tells what is wrong and how it is used, and ends with 2. */
  wrongUse(message: string): never;
  /** A positive whole number, or `otherwise` where it is not given. */
  positive(name: string, text: string | undefined, otherwise: number): number;
  /** The names of `--only`, each of which must be one of `known`. */
  only(text: string, known: readonly string[]): readonly string[];
}

export function benchLine(help: string): BenchLine {
  const wrongUse = (message: string): never => {
    console.error(`${message}\n\n${help}`);
    process.exit(2);
  };
  return {
    wrongUse,
    positive: (name, text, otherwise) => {
      const value = Number(text ?? otherwise);
      return Number.isInteger(value) && value > 0
        ? value
        : wrongUse(`--${name} must be a positive integer, got ${text}`);
    },
    only: (text, known) => {
      const wanted = text.split(',');
      const unknown = wanted.find((name) => !known.includes(name));
      return unknown === undefined ? wanted : wrongUse(`--only must name sections, got ${unknown}`);
    },
  };
}

/** The figures of a result: those of `first` in that order, then the others. */
export function inOrder(figures: Readonly<Record<string, number>>, first: readonly string[]): Record<string, number> {
  const named = first.filter((name) => name in figures);
  const rest = Object.keys(figures).filter((name) => !first.includes(name));
  return Object.fromEntries([...named, ...rest].map((name) => [name, figures[name] as number]));
}
