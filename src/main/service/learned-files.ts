import type { Clock } from '../../shared/clock.ts';
import { CALL_KINDS } from '../models/time/latency-profile.ts';
import { openProfileFile, openSavedFile, profileKey, type SavedFile } from '../models/time/profile-file.ts';
import type { ProfileEntry, SavedEntry } from '../models/time/profile-text.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import type { FlightParts } from '../plans/flights/flight-parts.ts';
import type { SavedCalibration } from '../plans/reads/read-calibration.ts';
import { CALIBRATION_FORMAT } from '../plans/reads/saved-calibration.ts';

interface LearningParts extends Pick<FlightParts, 'endpoints'> {
  readonly domains: readonly LearningDomain[];
}

/** A domain, whose models are read for its own states. */
export interface LearningDomain {
  /** Undefined if it is the only one. */
  readonly name: string | undefined;
  readonly parts: Pick<FlightParts, 'options' | 'reads'>;
}

/** The files of what a planner has learned about models. */
interface LearnedFiles {
  restore(parts: LearningParts): void;
  /** Schedules a write. Undefined if nothing is stored. */
  readonly save?: (parts: LearningParts) => void;
  close(parts: LearningParts): Promise<void>;
}

const PROFILES_SUFFIX = '.latencies.json';
const CALIBRATIONS_SUFFIX = '.reads.json';

/**
 * Stores the times of models and the worth of their reads next to the disk tier's decisions, so that they outlive the process. Without
 * a disk tier, nothing is stored.
 */
export async function openLearned(
  options: ResolvedOptions,
  clock: Clock,
  warn: (message: string) => void,
): Promise<LearnedFiles> {
  const path = diskPathOf(options);
  if (path === undefined) return { restore: () => {}, close: async () => {} };
  const stores = await Promise.all([
    openProfileFile(`${path}${PROFILES_SUFFIX}`, clock, warn).then((file) => storeOfTimes(options, file)),
    openSavedFile(`${path}${CALIBRATIONS_SUFFIX}`, CALIBRATION_FORMAT, clock, warn).then((file) =>
      storeOfReads(options, file),
    ),
  ]);
  return {
    restore: (parts) => {
      for (const store of stores) store.restore(parts);
    },
    save: (parts) => {
      for (const store of stores) store.save(parts);
    },
    close: async (parts) => void (await Promise.all(stores.map((store) => store.close(parts)))),
  };
}

/** Where decisions are stored: domains that remember any share the file. */
function diskPathOf({ cache, domains }: ResolvedOptions): string | undefined {
  const caches = domains.map(({ own }) => own?.cache ?? cache);
  return caches.flatMap((each) => (each === false || each.disk === false ? [] : each.disk.path))[0];
}

type Store = Required<LearnedFiles>;

function storeOfTimes({ experts, synthesis }: ResolvedOptions, file: SavedFile<ProfileEntry[1]>): Store {
  const models = new Set([...experts, ...synthesis.models].map(({ model }) => model));
  const restore = ({ endpoints }: LearningParts): void => {
    for (const at of endpoints.values()) {
      for (const model of models) for (const kind of CALL_KINDS) at.profiles.restore(model, kind, file.saved);
    }
  };
  return storeOf(file, restore, function* ({ endpoints }) {
    for (const at of endpoints.values()) yield* at.profiles.saved();
  });
}

function storeOfReads({ endpoints }: ResolvedOptions, file: SavedFile<SavedCalibration>): Store {
  const addresses = new Map(endpoints.map(({ name, baseURL }) => [name, baseURL]));
  const restore = ({ domains }: LearningParts): void => {
    for (const domain of domains) {
      for (const [model, key] of readKeys(domain, addresses)) {
        const saved = file.saved.get(key);
        if (saved !== undefined) domain.parts.reads?.restore(model, saved);
      }
    }
  };
  return storeOf(file, restore, function* ({ domains }) {
    for (const domain of domains) {
      for (const [model, key] of readKeys(domain, addresses)) {
        const saved = domain.parts.reads?.saved(model);
        if (saved !== undefined) yield [key, saved];
      }
    }
  });
}

/** What is known about reads of a model belongs to the first expert's endpoint that asks it, and to the domain of its states. */
function readKeys(
  { name, parts }: LearningDomain,
  addresses: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const suffix = name === undefined ? '' : ` ${name}`;
  const entries = parts.options.experts.toReversed().map(({ model, endpoint }): [string, string] => {
    return [model, `${profileKey(addresses.get(endpoint) as string, model, 'calibration')}${suffix}`];
  });
  return new Map(entries);
}

/** The entries are read when they are written. */
function storeOf<Value>(
  file: SavedFile<Value>,
  restore: Store['restore'],
  entriesOf: (parts: LearningParts) => Generator<SavedEntry<Value>>,
): Store {
  const entries = (parts: LearningParts): Iterable<SavedEntry<Value>> => ({
    [Symbol.iterator]: () => entriesOf(parts),
  });
  return { restore, save: (parts) => file.save(entries(parts)), close: (parts) => file.close(entries(parts)) };
}
