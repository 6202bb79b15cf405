/**
 * Observed outcomes of predictions, by class of estimated risk, 0 for the surest. Two kinds are kept apart, because they mean
 * different things. A prediction that was asked about is learned from at once: a state whose answer surprises leaves its class. A
 * served one is hardly learned from, so a state that entered a class by luck stays in it and is served again and again. Asked
 * outcomes are therefore better than those of served predictions of the same class; only samples of the served show those.
 */
export const CLASSES = 24;
/** Number of requests of a class after which an observation counts for 1/e. */
const MEMORY = 2_000;
/** The same for asked outcomes while the class is served. */
const ASKED_MEMORY_SERVED = 1_000;
/** Number of observations that the prior risk of each class counts for. */
const PRIOR_OBSERVATIONS = 1;
const PRIORS = Float64Array.from({ length: CLASSES }, (_, i) => Math.min(0.95, 0.01 + 1.5 * classRisk(i)));

/** Outcomes of a class that another node has counted. */
export interface HeardOutcomes {
  readonly asked: number;
  readonly askedWrong: number;
  readonly sampled: number;
  readonly sampledWrong: number;
}

export class ClassOutcomes {
  readonly #asked = new Float64Array(CLASSES);
  readonly #askedWrong = new Float64Array(CLASSES);
  readonly #sampled = new Float64Array(CLASSES);
  readonly #sampledWrong = new Float64Array(CLASSES);

  add(riskClass: number, isWrong: boolean, isSample: boolean): void {
    const [counts, wrong] = isSample ? [this.#sampled, this.#sampledWrong] : [this.#asked, this.#askedWrong];
    counts[riskClass] = (counts[riskClass] as number) + 1;
    if (isWrong) wrong[riskClass] = (wrong[riskClass] as number) + 1;
  }

  /** Fades what is known about a class, once for each of its requests. */
  fade(riskClass: number, isServed: boolean, requests = 1): void {
    const askedFade = fadeOf(isServed ? ASKED_MEMORY_SERVED : MEMORY, requests);
    for (const counts of [this.#asked, this.#askedWrong]) counts[riskClass] = (counts[riskClass] as number) * askedFade;
    const fade = fadeOf(MEMORY, requests);
    for (const counts of [this.#sampled, this.#sampledWrong]) counts[riskClass] = (counts[riskClass] as number) * fade;
  }

  /** Adds observations of another node, which are spread evenly over this many requests of the class and fade with them. */
  hear(riskClass: number, { asked, askedWrong, sampled, sampledWrong }: HeardOutcomes, requests: number): void {
    const kept = spreadOf(MEMORY, requests);
    const add = (counts: Float64Array, wrongs: Float64Array, count: number, wrong: number): void => {
      const share = kept * Math.min(1, MEMORY / Math.max(1, count * kept));
      counts[riskClass] = (counts[riskClass] as number) + count * share;
      wrongs[riskClass] = (wrongs[riskClass] as number) + wrong * share;
    };
    add(this.#asked, this.#askedWrong, asked, askedWrong);
    add(this.#sampled, this.#sampledWrong, sampled, sampledWrong);
  }

  /** Keeps only this share of what is known. */
  discount(share: number): void {
    for (const counts of this.#all()) for (let i = 0; i < CLASSES; i++) counts[i] = (counts[i] as number) * share;
  }

  /** Number of observations of a class that still count. */
  countOf(riskClass: number): number {
    return (this.#asked[riskClass] as number) + (this.#sampled[riskClass] as number);
  }

  /** The risk of a class by asked outcomes alone. */
  askedRisk(riskClass: number): number {
    return risingRisks(this.#asked, this.#askedWrong)[riskClass] as number;
  }

  /** The risk of each class, if the risk of served predictions is this many times that of asked ones. */
  risks(bias: number): Float64Array {
    const observed = this.#asked.map((count, i) => count + (this.#sampled[i] as number));
    const wrong = this.#askedWrong.map((count, i) =>
      Math.min(observed[i] as number, bias * count + (this.#sampledWrong[i] as number)),
    );
    return risingRisks(observed, wrong);
  }

  saved(): number[][] {
    return this.#all().map((counts) => [...counts]);
  }

  /** Takes over what `saved` returned: four lists of `CLASSES` numbers. */
  restore(saved: readonly (readonly number[])[]): void {
    for (const [i, counts] of this.#all().entries()) counts.set(saved[i] as readonly number[]);
  }

  clear(): void {
    for (const counts of this.#all()) counts.fill(0);
  }

  #all(): Float64Array[] {
    return [this.#asked, this.#askedWrong, this.#sampled, this.#sampledWrong];
  }
}

/** What remains of something that fades with each request, after this many. */
export function fadeOf(memory: number, requests: number): number {
  return requests === 1 ? 1 - 1 / memory : (1 - 1 / memory) ** requests;
}

/** The share that remains, on average, of what came evenly in the course of this many requests. */
export function spreadOf(memory: number, requests: number): number {
  return requests <= 1 ? 1 : (memory * (1 - fadeOf(memory, requests))) / requests;
}

/** Estimated risk in the middle of a class. Classes are narrow where the risk is small. */
function classRisk(riskClass: number): number {
  return ((riskClass + 0.5) / CLASSES) ** 2;
}

/** Observed risk of each class, made to rise from class to class (pool adjacent violators: Ayer et al., 1955). */
function risingRisks(observed: Float64Array, wrongs: Float64Array): Float64Array {
  const pools: { wrong: number; weight: number; classes: number }[] = [];
  for (let i = 0; i < CLASSES; i++) {
    const weight = (observed[i] as number) + PRIOR_OBSERVATIONS;
    const wrong = (wrongs[i] as number) + PRIOR_OBSERVATIONS * (PRIORS[i] as number);
    pools.push({ wrong, weight, classes: 1 });
    for (;;) {
      const last = pools.at(-1);
      const before = pools.at(-2);
      if (last === undefined || before === undefined || before.wrong / before.weight <= last.wrong / last.weight) break;
      pools.pop();
      before.wrong += last.wrong;
      before.weight += last.weight;
      before.classes += last.classes;
    }
  }
  const risks = new Float64Array(CLASSES);
  let at = 0;
  for (const pool of pools) {
    risks.fill(pool.wrong / pool.weight, at, at + pool.classes);
    at += pool.classes;
  }
  return risks;
}
