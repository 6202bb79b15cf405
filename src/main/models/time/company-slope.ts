/**
 * How much each additional running call slows the others, for one model at one server: a call with `company` running calls,
 * itself included, takes 1 + slope × (company − 1) times as long as alone. Learned as a straight line through the times of calls
 * and their mean company; older calls fade. The slope is 0 while company has not varied, or has made no difference.
 */
const MEMORY = 80;
const FADING = Math.exp(-1 / MEMORY);
/** Trust in a slope depends on how much company has varied: this variance counts as half of certainty. */
const DOUBT = 0.15;
/** One processor shared without loss has a slope of 1; more would mean that calls hinder one another. */
const SLOPE_MAX = 1.5;
const SAMPLES_MIN = 8;
/** A variance of company below this shows nothing. */
const VARIANCE_MIN = 0.1;
const GAIN_MIN = 0.15;
/** Calls with less company than this on average had times without any. */
const AMONG_MIN = 1.5;
const COMPANY_MAX = 64;
/** Slightly below 1, because sums of floats are not exact. */
const AS_EXPECTED = 0.999;

export class CompanySlope {
  /** Number of calls observed. */
  observed = 0;
  #weight = 0;
  #company = 0;
  #companySquares = 0;
  #ms = 0;
  #products = 0;

  /** A call ended after `ms`, with this average number of running calls. */
  observe(ms: number, company: number): void {
    this.observed++;
    this.#weight = this.#weight * FADING + 1;
    this.#company = this.#company * FADING + company;
    this.#companySquares = this.#companySquares * FADING + company * company;
    this.#ms = this.#ms * FADING + ms;
    this.#products = this.#products * FADING + ms * company;
  }

  /** A call was cut after `ms`: it counts if it had already taken longer than expected. */
  cut(ms: number, company: number): void {
    const expectedMs = this.#expectedMs(company);
    if (expectedMs === undefined || ms >= expectedMs * AS_EXPECTED) this.observe(ms, company);
  }

  #expectedMs(company: number): number | undefined {
    if (this.#weight === 0) return undefined;
    const meanMs = this.#ms / this.#weight;
    return (meanMs / this.factor(this.#company / this.#weight)) * this.factor(company);
  }

  /** Whether company has varied enough to show its effect on the times of calls. */
  get isKnown(): boolean {
    return this.#weight >= SAMPLES_MIN && this.#variance() > VARIANCE_MIN;
  }

  /** Whether calls always have the same company, so that its effect does not show. */
  get isHidden(): boolean {
    return this.#weight >= SAMPLES_MIN && !this.isKnown && this.#company >= AMONG_MIN * this.#weight;
  }

  #variance(): number {
    const company = this.#company / this.#weight;
    return this.#companySquares / this.#weight - company * company;
  }

  /** The slope, 0 or more. */
  get slope(): number {
    if (this.#weight < SAMPLES_MIN) return 0;
    const company = this.#company / this.#weight;
    const ms = this.#ms / this.#weight;
    const variance = this.#variance();
    const covariance = this.#products / this.#weight - company * ms;
    if (!(variance > 1e-9) || !(covariance > 0)) return 0;
    const perCall = (covariance / variance) * (variance / (variance + DOUBT));
    const aloneMs = ms - perCall * (company - 1);
    return aloneMs <= 0 ? SLOPE_MAX : Math.min(SLOPE_MAX, perCall / aloneMs);
  }

  /** The number of calls at once beyond which one more adds less than `GAIN_MIN` to what they get done together. */
  get useful(): number {
    const done = (calls: number): number => calls / this.factor(calls);
    let calls = 1;
    while (calls < COMPANY_MAX && done(calls + 1) >= done(calls) * (1 + GAIN_MIN)) calls++;
    return this.slope === 0 ? Number.POSITIVE_INFINITY : calls;
  }

  /** How many times as long a call takes in this company as alone. */
  factor(company: number): number {
    return 1 + this.slope * Math.max(0, company - 1);
  }
}
