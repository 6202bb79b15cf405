import { defined } from '../../shared/defined.ts';
import type { Domain, Feature, NumberFeature } from '../../shared/domain.ts';
import { fingerprintNumber } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../shared/signature.ts';
import { share } from '../measure/shares.ts';
import { wilson } from '../measure/wilson.ts';

/**
 * Predicts what the exact key would do if one of a domain's features was changed: a feature dropped, or every second edge of a number removed. Each
 * change is judged by a plain cache of first answers (no expiry, no eviction, no guard, no similar states), next to one with the current key, over
 * the same decisions. Changes are judged one at a time, not in combination.
 *
 * A change is advised if it serves at least SERVED_GAIN_MIN more of the decisions, and the added answers are not clearly worse than those served now:
 * the wrong share of the added ones must not exceed WRONG_FACTOR_MAX times the upper end of the 95 % interval of the wrong share now. If next to
 * nothing is served now, that interval is wide and means little; so the added answers must in any case be right more often than not.
 */
const SERVED_GAIN_MIN = 0.02;
const ADDED_MIN = 10;
const WRONG_FACTOR_MAX = 1.25;
const WRONG_ADDED_MAX = 0.5;

/**
 * Maximum number of keys that all variants store together, at some 50 bytes each. When a variant has used up its share, the comparison ends for all
 * of them, as they would no longer be judged alike; results until then stay valid.
 */
const KEYS_MAX = 4_000_000;
/** Maximum number of keys of one variant. */
const VARIANT_KEYS_MAX = 500_000;

export interface BucketingAdvice {
  readonly feature: string;
  readonly change: 'drop' | 'halve-edges';
  /** The remaining edges, if they are halved. */
  readonly edges?: readonly number[];
  /** True if the change is worth it. */
  readonly advised: boolean;
  /** With the change: the share of decisions that is served, and the share of those that is wrong. */
  readonly served: number;
  readonly wrong: number;
  /** The same shares with the current key. */
  readonly servedNow: number;
  readonly wrongNow: number;
  readonly decisions: number;
}

/** A cache of first answers under one key. */
class FirstAnswers {
  readonly #signer: Signer;
  readonly #answers = new Map<number, string>();
  served = 0;
  wrong = 0;

  constructor(domain: Domain, features: Readonly<Record<string, Feature>>) {
    this.#signer = new Signer({ ...domain, features });
  }

  get keys(): number {
    return this.#answers.size;
  }

  decide(
    observation: PlanRequest['observation'],
    actionSet: readonly string[],
    chosen: string,
    words: Signature,
  ): void {
    const key = fingerprintNumber(this.#signer.sign(observation, actionSet, words));
    const answer = this.#answers.get(key);
    if (answer === undefined) {
      this.#answers.set(key, chosen);
      return;
    }
    this.served++;
    if (answer !== chosen) this.wrong++;
  }
}

interface Variant {
  readonly feature: string;
  readonly change: BucketingAdvice['change'];
  readonly edges?: readonly number[];
  readonly answers: FirstAnswers;
}

export class BucketingStudy {
  readonly #signer: Signer;
  readonly #asItIs: FirstAnswers;
  readonly #variants: readonly Variant[];
  readonly #keysMax: number;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  #decisions = 0;

  constructor(domain: Domain, keysMax = KEYS_MAX) {
    this.#signer = new Signer(domain);
    this.#asItIs = new FirstAnswers(domain, domain.features);
    this.#variants = [...variantsOf(domain)];
    this.#keysMax = Math.min(VARIANT_KEYS_MAX, Math.floor(keysMax / (this.#variants.length + 1)));
  }

  /** One decision of the trace, in order. */
  add({ observation, actions }: PlanRequest, chosen: string): void {
    if (this.#variants.length === 0 || this.#isFull()) return;
    this.#decisions++;
    // Hashed once for all variants: there may be thousands of actions.
    const actionSet = [signatureText(this.#signer.signActions(actions, this.#words))];
    this.#asItIs.decide(observation, actionSet, chosen, this.#words);
    for (const { answers } of this.#variants) answers.decide(observation, actionSet, chosen, this.#words);
  }

  /** Every change with its figures: advised ones first, then by the right answers they add. */
  advice(): BucketingAdvice[] {
    const rightOf = ({ served, wrong }: FirstAnswers): number => served - wrong;
    return this.#variants
      .toSorted((a, b) => rightOf(b.answers) - rightOf(a.answers))
      .map((variant) => this.#adviceOf(variant))
      .sort((a, b) => Number(b.advised) - Number(a.advised));
  }

  #isFull(): boolean {
    if (this.#asItIs.keys >= this.#keysMax) return true;
    return this.#variants.some(({ answers }) => answers.keys >= this.#keysMax);
  }

  #adviceOf({ feature, change, edges, answers }: Variant): BucketingAdvice {
    const now = this.#asItIs;
    return {
      feature,
      change,
      ...defined({ edges }),
      advised: isWorthIt(now, answers, this.#decisions),
      served: share(answers.served, this.#decisions),
      wrong: share(answers.wrong, answers.served),
      servedNow: share(now.served, this.#decisions),
      wrongNow: share(now.wrong, now.served),
      decisions: this.#decisions,
    };
  }
}

function* variantsOf(domain: Domain): Generator<Variant> {
  const { features } = domain;
  const names = Object.keys(features);
  for (const name of names) {
    const feature = features[name] as Feature;
    if (feature.kind === 'text' || feature.kind === 'image') continue;
    // A domain needs a feature.
    if (names.length > 1) {
      const { [name]: _, ...others } = features;
      yield { feature: name, change: 'drop', answers: new FirstAnswers(domain, others) };
    }
    if (feature.kind === 'number' && feature.edges.length > 1) {
      const edges = feature.edges.filter((_, index) => index % 2 === 0);
      const halved: NumberFeature = { ...feature, edges };
      const answers = new FirstAnswers(domain, { ...features, [name]: halved });
      yield { feature: name, change: 'halve-edges', edges, answers };
    }
  }
}

function isWorthIt(now: FirstAnswers, changed: FirstAnswers, decisions: number): boolean {
  const added = changed.served - now.served;
  if (added < ADDED_MIN || added < SERVED_GAIN_MIN * decisions) return false;
  const wrongNow = wilson(now.wrong, now.served).high;
  return (changed.wrong - now.wrong) / added <= Math.min(WRONG_ADDED_MAX, WRONG_FACTOR_MAX * wrongNow);
}
