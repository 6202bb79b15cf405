import type { Domain, DomainDefinition, Feature, FeatureMap, ImageValue, Observation } from './domain.ts';

/**
 * The features of a domain as the compiler knows them. A domain from a file may have any features; so may a domain whose type is
 * a union that includes one from a file.
 */
type FeaturesOf<D extends DomainDefinition> = string extends NamesIn<D> ? FeatureMap : D['features'];
type NamesIn<D extends DomainDefinition> = D extends unknown ? keyof D['features'] : never;

/** The type of one feature's value: the listed values of a category, else what its kind allows. */
type ValueOf<F extends Feature> = F extends { readonly kind: 'category' }
  ? F extends { readonly values: readonly (infer V extends string)[] }
    ? V
    : string
  : F extends { readonly kind: 'flag' }
    ? boolean
    : F extends { readonly kind: 'set' }
      ? readonly string[]
      : F extends { readonly kind: 'number' }
        ? number
        : F extends { readonly kind: 'text' }
          ? string
          : ImageValue;

/** The names of the features that every request must have. Excludes those whose `optional` is known only at run time. */
type RequiredNames<F extends FeatureMap> = {
  [K in keyof F]: F[K] extends { readonly kind: string; readonly optional?: false } ? K : never;
}[keyof F];

type Known<F extends FeatureMap> = F extends unknown
  ? Shown<
      { readonly [K in RequiredNames<F>]: ValueOf<F[K]> } & {
        readonly [K in Exclude<keyof F, RequiredNames<F>>]?: ValueOf<F[K]> | undefined;
      }
    >
  : never;
/** One object without a name of its own, so that compiler messages and editors show only the features. */
type Shown<T> = T extends infer U ? { [K in keyof U]: U[K] } : never;

/**
 * An observation of a domain, as the compiler checks it: the name of each feature, the values of its kind, and whether it may be
 * omitted. For a plain `Domain`, whose features are known only at run time, any observation.
 */
export type ObservationOf<D extends DomainDefinition> = string extends keyof FeaturesOf<D>
  ? Observation
  : // The constraint says that the result is an observation, even if the domain is a type parameter.
    Known<FeaturesOf<D>> extends infer O extends Observation
    ? O
    : never;

/** The result type of `defineDomain` for a definition. A checked domain is its own result. */
export type DomainOf<D extends DomainDefinition> = Domain<FeaturesOf<D>>;
