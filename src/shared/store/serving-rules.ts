import { hashOf } from '../random.ts';
import { HEADER } from './store-layout.ts';

/*
 * What the planner tells the other readers of its store about serving, in words of the header:
 *
 *   RULES             a bit for each rule below
 *   VALUES_MIN        in thousandths, if the rule VALUES is set
 *   DOUBTED_EXACT     a bit for each scene whose decisions evidence contradicts, all bits if that of all scenes does;
 *   DOUBTED_SINGLE    32 groups of scenes by hash, so another scene may be withheld too; SINGLE: those that rest on one
 *   DOUBTED_FORESEEN  vote, FORESEEN: those that were decided ahead
 */
const RULE = { BUDGET: 1, VALUES: 2 } as const;
const VALUES_UNIT = 1_000;
/** Maximum number of scenes whose doubts can end one by one. Those of later ones last until a clear. */
const SCENES_MAX = 1_024;

/** What the cache's options say about serving. */
interface ServingRules {
  /** Only answers within an error budget are served, which only the planner can judge. */
  readonly hasBudget: boolean;
  /** Lowest relative Q-value at which a remembered action is served. */
  readonly valuesMin: number | false;
}

/** Where the doubts about decisions are told: about all, those that rest on one vote, and those that were decided ahead. */
const WORD_OF = {
  exact: HEADER.DOUBTED_EXACT,
  single: HEADER.DOUBTED_SINGLE,
  foreseen: HEADER.DOUBTED_FORESEEN,
} as const;

/** Stands for all scenes of a domain that shares its store. No scene has this name. */
const ALL_SCENES = '\n';

/** Decisions that are doubted together. */
type Doubted = keyof typeof WORD_OF;
const DOUBTED = Object.keys(WORD_OF) as readonly Doubted[];

/** The coordinator's side. */
export class ServingRulesWriter {
  readonly #words: Int32Array;
  /** The bits of what is doubted, by scene; by themselves for scenes beyond the bound. */
  readonly #doubts: Readonly<Record<Doubted, Map<string | number | undefined, number>>> = {
    exact: new Map(),
    single: new Map(),
    foreseen: new Map(),
  };
  /** The bits of what is never served to other readers. */
  #withheld = 0;

  constructor(buffer: SharedArrayBuffer, { hasBudget, valuesMin }: ServingRules) {
    this.#words = new Int32Array(buffer, 0, HEADER.WORDS);
    if (valuesMin !== false) Atomics.store(this.#words, HEADER.VALUES_MIN, Math.round(valuesMin * VALUES_UNIT));
    Atomics.store(this.#words, HEADER.RULES, (hasBudget ? RULE.BUDGET : 0) | (valuesMin === false ? 0 : RULE.VALUES));
  }

  /** Records whether decisions of a scene are doubted now; without a scene, those of all. */
  doubt(kind: Doubted, scene: string | undefined, isDoubted: boolean): void {
    const doubts = this.#doubts[kind];
    if (doubts.has(scene) === isDoubted) return;
    const bits = scene === undefined ? -1 : sceneBit(scene);
    if (!isDoubted) doubts.delete(scene);
    else doubts.set(scene === undefined || doubts.size < SCENES_MAX ? scene : bits, bits);
    this.#publish(kind);
  }

  /** Nothing of a scene is served to other readers from now on, also after a clear. */
  withhold(scene: string): void {
    this.#withheld |= sceneBit(scene);
    this.#publish('exact');
  }

  /** Forgets all doubts. */
  clear(): void {
    for (const kind of DOUBTED) {
      this.#doubts[kind].clear();
      this.#publish(kind);
    }
  }

  #publish(kind: Doubted): void {
    let mask = kind === 'exact' ? this.#withheld : 0;
    for (const bit of this.#doubts[kind].values()) mask |= bit;
    Atomics.store(this.#words, WORD_OF[kind], mask);
  }
}

/** The rules of one domain of several: its scenes are told apart from those of the others. */
export class DomainRulesWriter implements Pick<ServingRulesWriter, 'doubt' | 'clear'> {
  readonly #rules: ServingRulesWriter;
  readonly #scope: string;
  readonly #hasBudget: boolean;

  /** With a budget of its own, nothing of the domain is served to other readers. */
  constructor(rules: ServingRulesWriter, scope: string, hasBudget: boolean) {
    this.#rules = rules;
    this.#scope = scope;
    this.#hasBudget = hasBudget;
    if (hasBudget) rules.withhold(scopedScene(scope, undefined));
  }

  doubt(kind: Doubted, scene: string | undefined, isDoubted: boolean): void {
    if (!this.#hasBudget) this.#rules.doubt(kind, scopedScene(this.#scope, scene), isDoubted);
  }

  clear(): void {
    this.#rules.clear();
  }
}

function scopedScene(scope: string, scene = ALL_SCENES): string {
  return `${scope}\n${scene}`;
}

/** The side of any other reader of the store. */
export class ServingRulesReader {
  /** Written once, before anybody else has the store. */
  readonly rules: ServingRules;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    const words = new Int32Array(buffer, 0, HEADER.WORDS);
    const rules = Atomics.load(words, HEADER.RULES);
    this.#words = words;
    this.rules = {
      hasBudget: (rules & RULE.BUDGET) !== 0,
      valuesMin: (rules & RULE.VALUES) === 0 ? false : Atomics.load(words, HEADER.VALUES_MIN) / VALUES_UNIT,
    };
  }

  /** Whether decisions of a scene are doubted; of another one too, if both are in one group. `scope` is that of its domain. */
  isDoubted(kind: Doubted, scene: string, scope?: string): boolean {
    const doubts = Atomics.load(this.#words, WORD_OF[kind]);
    const bits =
      scope === undefined
        ? sceneBit(scene)
        : sceneBit(scopedScene(scope, scene)) | sceneBit(scopedScene(scope, undefined));
    return (doubts & bits) !== 0;
  }
}

function sceneBit(scene: string): number {
  return 1 << (hashOf(scene) & 31);
}
