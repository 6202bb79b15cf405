import { type CallKind, LatencyProfile, type ProfileStats, type SavedProfile } from './latency-profile.ts';
import { profileKey } from './profile-file.ts';
import { PROFILE_FORMAT, type ProfileEntry } from './profile-text.ts';

/** Maximum models whose times are remembered. */
export const SEATS_MAX = 256;
/** Calls that take this many times as long next to another one slow one another. */
const SLOWED = 1.15;
/** While the effect of company does not show, background work joins other calls for this many calls, and stays away for as many. */
const ALTERNATED_CALLS = 4;

/** Returns the ages of running calls of a model, in milliseconds. */
export type AgesOf = (model: string, kind: CallKind) => readonly number[];

/** The times of a model as this process has measured them. */
export interface MeasuredTimes {
  readonly model: string;
  readonly kind: CallKind;
  readonly answers: number;
  save(): SavedProfile;
}

interface Known {
  readonly model: string;
  readonly kind: CallKind;
  readonly profile: LatencyProfile;
}

/** What is known about the times of each model at one endpoint, by kind of request. */
export class Profiles {
  readonly #baseURL: string;
  readonly #known = new Map<string, Known>();

  constructor(baseURL: string) {
    this.#baseURL = baseURL;
  }

  of(model: string, kind: CallKind): LatencyProfile {
    const key = `${kind}\n${model}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= SEATS_MAX) this.#known.clear();
      known = { model, kind, profile: new LatencyProfile() };
      this.#known.set(key, known);
    }
    return known.profile;
  }

  /** The known profiles, to be saved for a restart. */
  *saved(): Generator<ProfileEntry> {
    for (const { model, kind, profile } of this.#known.values()) {
      yield [profileKey(this.#baseURL, model, kind), profile.save()];
    }
  }

  /** Restores what was known about a model before a restart. */
  restore(model: string, kind: CallKind, saved: ReadonlyMap<string, SavedProfile>): void {
    const known = saved.get(profileKey(this.#baseURL, model, kind));
    if (known !== undefined) this.of(model, kind).restore(known);
  }

  /** What this process has measured of each model, for other nodes. */
  *measured(): Generator<MeasuredTimes> {
    for (const { model, kind, profile } of this.#known.values()) {
      yield { model, kind, answers: profile.answers, save: () => profile.save() };
    }
  }

  /** Takes the times of another node as a start, if nothing is known of a model here. */
  adopt(model: string, kind: CallKind, saved: unknown): 'adopted' | 'known' | 'poisoned' {
    if (!PROFILE_FORMAT.isValue(saved)) return 'poisoned';
    return this.of(model, kind).adopt(saved) ? 'adopted' : 'known';
  }

  /** Mean time of calls of a model in that company; if the model is unknown, of all others here. */
  meanMs(model: string, kind: CallKind, company: number, agesOf: AgesOf): number | undefined {
    const own = this.of(model, kind).meanMs(company, agesOf(model, kind));
    if (own !== undefined) return own;
    const others = [...this.#known.values()]
      .filter((other) => other.kind !== 'chat' && other.kind !== 'read')
      .map((other) => other.profile.meanMs(company, agesOf(other.model, other.kind)))
      .filter((ms) => ms !== undefined);
    return others.length === 0 ? undefined : others.reduce((sum, ms) => sum + ms, 0) / others.length;
  }

  /** Whether calls of any model slow one another. */
  get areSlowed(): boolean {
    for (const { profile } of this.#known.values()) if (profile.besideAnother > SLOWED) return true;
    return false;
  }

  /**
   * The number of calls at once beyond which one more adds little to their total output. Background work that always fills all slots
   * would hide what company does to calls, so while it is hidden this alternates between one and any number.
   */
  get usefulCompany(): number {
    let useful = Number.POSITIVE_INFINITY;
    let hidden = 0;
    for (const { profile } of this.#known.values()) {
      useful = Math.min(useful, profile.usefulCompany);
      hidden += profile.callsInSameCompany;
    }
    return Math.floor(hidden / ALTERNATED_CALLS) % 2 === 0 ? useful : 1;
  }

  stats(ceilingMs: number): (ProfileStats & { readonly model: string; readonly kind: CallKind })[] {
    return [...this.#known.values()].map(({ model, kind, profile }) => ({ model, kind, ...profile.stats(ceilingMs) }));
  }
}
