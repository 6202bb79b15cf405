import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import type { CacheOptions, PlannerOptions } from '../../src/main/options/planner-options.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { FakeClock } from './fake-clock.ts';
import type { Behaviour, ReadScript } from './fake-models.ts';
import { testOptions } from './make-planner.ts';
import { RecordingModels } from './recording-models.ts';

export interface CachedPlanner extends AsyncDisposable {
  readonly planner: ChatPlanner;
  readonly models: RecordingModels;
  readonly clock: FakeClock;
}

interface Setup {
  readonly cache?: CacheOptions | false;
  readonly options?: Partial<PlannerOptions>;
  readonly random?: Random;
  /** Without it, the models can only be asked in words. */
  readonly reads?: ReadScript;
}

/**
 * The planner of `makePlanner`, with chance under a seed and what models were shown on record. Nothing is asked in the
 * background unless `cache` says so.
 */
export async function makeCachedPlanner(
  script: (call: { role: string | undefined; model: string; nth: number }) => Behaviour,
  { cache = {}, options = {}, random = seededRandom(1), reads }: Setup = {},
): Promise<CachedPlanner> {
  const clock = new FakeClock(1_000);
  const models = new RecordingModels(clock, script, reads);
  const planner = await createPlanner(
    {
      ...testOptions,
      cache: cache === false ? false : { checkShare: 0, refreshAhead: false, ...cache },
      ...options,
    },
    { clock, random, pool: models, client: () => models },
  );
  return { planner, models, clock, [Symbol.asyncDispose]: () => planner.close() };
}
