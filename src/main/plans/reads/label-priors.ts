import { LRUCache } from 'lru-cache';
import { labelsFor, READ_ACTIONS_MAX } from '../../../shared/reads/labels.ts';
import { byAction, byPlace } from '../../../shared/reads/option-order.ts';
import type { ReadForm, Reading } from '../../../shared/reads/reading.ts';
import type { Seat } from '../../models/seat.ts';
import { addTo, savedNumber } from './bins.ts';

/** With fewer lists that are long enough, nothing is known of a label. */
const LISTS_MIN = 8;
/** Preferences are taken out if differences as large as theirs would hardly ever come by chance: a normal number above this one, one in forty. */
const SIGNIFICANT = 2;
/** Number of lists that count, the latest ones: a server may have another model under the same name now. With as many, chats need not be turned any more. */
const LISTS_MAX = 256;
const KEYS_MAX = 256;
/** Smaller probabilities count as this one: how much smaller they are would outweigh everything else in a mean. */
const LEAST = 1e-6;

/**
 * The labels that models prefer whatever these stand for, learned from reads whose lists are turned by chance, and taken out of what is read.
 *
 * Models of multiple choice put more probability on some labels than on others (Zheng et al. 2024, "Large Language Models Are Not Robust Multiple
 * Choice Selectors"). Where every action comes to stand behind every label, the geometric mean of the probabilities of a label, relative to the other
 * labels, is that prior. Each list counts once, since one that comes again is turned in the same way. What might be chance is not taken out: nothing is
 * until the differences between labels are significant (Fisher's F test), and then a mean is shrunk by how much of them its error explains (James and
 * Stein 1961). So a model without a preference stays as it is.
 */
export class LabelPriors {
  readonly #priors = new LRUCache<string, LabelPrior>({ max: KEYS_MAX });

  /**
   * Learns from the readings of one request whose lists were turned, and returns all of them without the preferences. `key` is who was read, and how;
   * `list` is what the turn was drawn for.
   */
  without(key: string, list: string, readings: readonly Reading[]): readonly Reading[] {
    const prior = this.#priorOf(key);
    const { preferences } = prior;
    for (const { probabilities, offset } of readings)
      if (offset !== undefined) prior.add(`${offset} ${list}`, byPlace(probabilities, offset));
    if (preferences === undefined) return readings;
    return readings.map((reading) => ({ ...reading, probabilities: freed(reading, preferences) }));
  }

  /** Whether enough lists of the reader were turned. */
  isKnown(key: string): boolean {
    return (this.#priors.get(key)?.size ?? 0) >= LISTS_MAX;
  }

  /** What is known about a model, to be saved for a restart. */
  saved(model: string): SavedPriors {
    return [...this.#priors].flatMap(([key, prior]) => (modelOf(key) === model ? [[key, prior.save()] as const] : []));
  }

  /** Restores what was known about models before a restart. */
  restore(saved: SavedPriors): void {
    for (const [key, prior] of saved) this.#priors.set(key, new LabelPrior(prior));
  }

  #priorOf(key: string): LabelPrior {
    const known = this.#priors.get(key) ?? new LabelPrior();
    this.#priors.set(key, known);
    return known;
  }
}

/** Who is read, and how: which labels there are depends on the actions. */
export function readerKey({ endpoint, model }: Seat, form: ReadForm, actions: readonly string[]): string {
  return [endpoint, model, form, labelsFor(actions)[0]].join('\n');
}

function modelOf(key: string): string {
  return key.split('\n')[1] as string;
}

/** What is known about each reader of a model, by key, as it is saved for a restart. */
export type SavedPriors = readonly (readonly [key: string, prior: SavedPrior])[];

/** For each place the number of lists that had it, and the sums of their logarithms and of the squares of these. */
export interface SavedPrior {
  readonly lists: number;
  readonly counts: readonly number[];
  readonly sums: readonly number[];
  readonly squares: readonly number[];
}

/** What was read of one list: for each place the mean of its logarithms, less that of the whole list. */
interface KnownList {
  readonly reads: Float64Array;
  readonly means: Float64Array;
}

/** The logarithm of how much a model prefers each place of a list, as the mean over the latest lists, which count alike however often they were read. */
class LabelPrior {
  readonly #counts = new Float64Array(READ_ACTIONS_MAX);
  readonly #sums = new Float64Array(READ_ACTIONS_MAX);
  readonly #squares = new Float64Array(READ_ACTIONS_MAX);
  /** What was known before a restart. It makes room for the lists that follow. */
  readonly #former: SavedPrior | undefined;
  readonly #lists = new LRUCache<string, KnownList>({
    max: LISTS_MAX,
    dispose: (known, _, reason) => reason === 'evict' && this.#count(known, -1),
  });

  constructor(former?: SavedPrior) {
    this.#former = former;
  }

  /** Learns from the probabilities of a list. Labels without any were not reported by the server, which says nothing of how likely they are. */
  add(list: string, probabilities: readonly number[]): void {
    const told = probabilities.flatMap((probability, place) =>
      probability > 0 ? [[place, Math.log(Math.max(LEAST, probability))] as const] : [],
    );
    if (told.length < 2) return;
    const mean = sumOf(told.map(([, log]) => log)) / told.length;
    const known = this.#lists.get(list) ?? {
      reads: new Float64Array(READ_ACTIONS_MAX),
      means: new Float64Array(READ_ACTIONS_MAX),
    };
    this.#count(known, -1);
    for (const [place, log] of told) {
      addTo(known.reads, place, 1);
      addTo(known.means, place, (log - mean - (known.means[place] as number)) / (known.reads[place] as number));
    }
    this.#count(known, 1);
    this.#lists.set(list, known);
  }

  #count({ reads, means }: KnownList, weight: 1 | -1): void {
    for (const [place, mean] of means.entries()) {
      if (reads[place] === 0) continue;
      addTo(this.#counts, place, weight);
      addTo(this.#sums, place, weight * mean);
      addTo(this.#squares, place, weight * mean ** 2);
    }
  }

  get size(): number {
    return Math.min(LISTS_MAX, this.#lists.size + (this.#former?.lists ?? 0));
  }

  save(): SavedPrior {
    const whole = (own: Float64Array, former: readonly number[] = []): number[] =>
      Array.from(own, (sum, place) => savedNumber(sum + this.#formerShare * (former[place] ?? 0)));
    return {
      lists: this.size,
      counts: whole(this.#counts, this.#former?.counts),
      sums: whole(this.#sums, this.#former?.sums),
      squares: whole(this.#squares, this.#former?.squares),
    };
  }

  /** The share of the former lists that still counts. */
  get #formerShare(): number {
    return (this.size - this.#lists.size) / (this.#former?.lists || 1);
  }

  /** Undefined while they may be chance. */
  get preferences(): readonly number[] | undefined {
    const { counts, sums, squares } = this.save();
    // The last places of the longest lists may have stood in one or two, whose errors say nothing.
    const known = counts.map((count) => (count < LISTS_MIN ? 0 : count));
    const means = known.map((count, place) => (count === 0 ? 0 : (sums[place] as number) / count));
    const errors = known.map((count, place) => {
      if (count === 0) return 0;
      return Math.max(0, (squares[place] as number) / count - (means[place] as number) ** 2) / (count - 1);
    });
    const places = known.filter((count) => count > 0).length;
    if (places < 2) return undefined;
    const ratio = sumOf(means.map((mean) => mean ** 2)) / (sumOf(errors) || Number.MIN_VALUE);
    const freedom = (places - 1) * (sumOf(known) / places - 1);
    if (normalOf(ratio, places - 1, freedom) < SIGNIFICANT) return undefined;
    return means.map((mean) => (1 - 1 / ratio) * mean);
  }
}

/** The normal number that is as unlikely by chance as this ratio of two variances with so many degrees of freedom (Paulson 1942). */
function normalOf(ratio: number, over: number, under: number): number {
  const [a, b] = [2 / (9 * over), 2 / (9 * under)];
  const root = Math.cbrt(Math.min(ratio, 1e9));
  return ((1 - b) * root - (1 - a)) / Math.sqrt(a + b * root ** 2);
}

/** The probabilities without the preferences. What is missing of 1 stays doubt. */
function freed({ probabilities, offset = 0 }: Reading, preferences: readonly number[]): readonly number[] {
  const own = byAction(preferences.slice(0, probabilities.length), offset);
  const weights = probabilities.map((probability, index) => probability * Math.exp(-(own[index] as number)));
  const factor = sumOf(probabilities) / (sumOf(weights) || 1);
  return weights.map((weight) => weight * factor);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
