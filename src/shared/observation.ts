import type { Domain, DomainDefinition, Feature, FeatureMap, ImageValue, Observation } from './domain.ts';

/**
 * The features of a domain as the compiler knows them. A domain from a file has any features; so has a domain of which the
 * compiler only knows that it is one of several and may be from a file.
 */
export type FeaturesOf<D extends DomainDefinition> = string extends NamesIn<D> ? FeatureMap : D['features'];
type NamesIn<D extends DomainDefinition> = D extends unknown ? keyof D['features'] : never;

/** The type of one feature's value: the values of a category where they are listed, else what its kind allows. */
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

/** The names of the features that every request must have. One whose `optional` is only known at run time is not among them. */
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
/** One object, without a name of its own: messages of the compiler and editors show the features and nothing else. */
type Shown<T> = T extends infer U ? { [K in keyof U]: U[K] } : never;

/**
 * An observation of a domain, as the compiler checks it: the name of each feature, the values of its kind, and whether it may
 * be left out. For a plain `Domain`, whose features are known at run time only, any observation.
 */
export type ObservationOf<D extends DomainDefinition> = string extends keyof FeaturesOf<D>
  ? Observation
  : // The constraint says that the result is an observation, also where the domain is a type parameter.
    Known<FeaturesOf<D>> extends infer O extends Observation
    ? O
    : never;

/** What `defineDomain` makes of a definition. A checked domain is itself. */
export type DomainOf<D extends DomainDefinition> = Domain<FeaturesOf<D>>;
