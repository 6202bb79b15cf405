import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ReadForms } from '../../../../src/main/models/forms/read-forms.ts';
import { openSavedFile, profileKey } from '../../../../src/main/models/time/profile-file.ts';
import { allFeatures } from '../../../../src/main/options/features.ts';
import { readerKey } from '../../../../src/main/plans/reads/label-priors.ts';
import { ReadCalibration, type SavedCalibration } from '../../../../src/main/plans/reads/read-calibration.ts';
import { Reads } from '../../../../src/main/plans/reads/reads.ts';
import { CALIBRATION_FORMAT } from '../../../../src/main/plans/reads/saved-calibration.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { drive, flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request, testDomain } from '../../../support/make-planner.ts';
import { makeFolder } from '../../cache/disk/support/open-tier.ts';

function learned(scenes = 2): ReadCalibration {
  const random = seededRandom(1);
  const calibration = new ReadCalibration();
  for (let i = 0; i < 300; i++) {
    const probability = random.next();
    calibration.heard('m', `scene ${i % scenes}`, probability, random.next() < 0.3 + 0.6 * probability);
    calibration.heardPair('m', probability, 1, true);
  }
  return calibration;
}

/** As a file gives it back. */
function savedOf(calibration: ReadCalibration): SavedCalibration {
  return JSON.parse(JSON.stringify(calibration.saved('m')));
}

describe('what is saved about the reads of a model', () => {
  test('is known again after a restart, and fits the file', () => {
    const before = learned();
    const saved = savedOf(before);
    expect(CALIBRATION_FORMAT.isValue(saved)).toBe(true);
    const after = new ReadCalibration();
    after.restore('m', saved);
    expect(after.worthOf('m')).toBe('equal');
    expect(after.comparedOf('m')).toBe(300);
    const [was, is] = [before.stats()[0], after.stats()[0]];
    expect(is?.error).toBeCloseTo(was?.error as number, 2);
    expect(is?.brier).toBeCloseTo(was?.brier as number, 2);
    for (const probability of [0.1, 0.5, 0.9]) {
      const chance = before.chanceOf('m', 'scene 0', probability) as number;
      expect(Math.abs((after.chanceOf('m', 'scene 0', probability) as number) - chance)).toBeLessThan(0.1);
    }
  });

  test('is a few kilobytes, however many scenes there are', () => {
    const saved = savedOf(learned(200));
    expect(saved.scenes).toHaveLength(32);
    expect(JSON.stringify(saved).length).toBeLessThan(10_000);
  });

  test('may have members that are not known here, and none missing or of another kind', () => {
    const saved = savedOf(learned());
    expect(CALIBRATION_FORMAT.isValue({ ...saved, later: 1 })).toBe(true);
    for (const name of Object.keys(saved)) {
      expect(CALIBRATION_FORMAT.isValue({ ...saved, [name]: 'x' }), name).toBe(false);
      expect(CALIBRATION_FORMAT.isValue({ ...saved, [name]: undefined }), name).toBe(false);
    }
    expect(CALIBRATION_FORMAT.isValue({ ...saved, all: { counts: [1], agreed: [1] } })).toBe(false);
    for (const other of [null, 1, [], 'text']) expect(CALIBRATION_FORMAT.isValue(other)).toBe(false);
  });

  test('is the labels that it prefers, also before its reads were ever compared', () => {
    const parts = {
      options: { answers: 'auto', confidenceMin: undefined },
      forms: new ReadForms(new FakeClock()),
    } as const;
    const [before, after] = [1, 2].map((seed) => new Reads({ ...parts, random: seededRandom(seed) })) as [Reads, Reads];
    const key = readerKey({ endpoint: 'at', model: 'm' }, 'systemone', ['attack', 'block']);
    const readings = [{ role: 'scout', probabilities: [0.9, 0.1], offset: 1 }];
    for (let list = 0; list < 256; list++) before.labels.without(key, String(list), readings);
    const saved = JSON.parse(JSON.stringify(before.saved('m')));
    expect(CALIBRATION_FORMAT.isValue(saved)).toBe(true);
    after.restore('m', saved);
    expect(after.labels.isKnown(key)).toBe(true);
    expect(after.stats().calibration).toEqual([]);
    expect(before.saved('other')).toBeUndefined();
  });

  test('is nothing about a model that was never read', () => {
    expect(learned().saved('other')).toBeUndefined();
  });
});

describe('a planner with a disk tier', () => {
  let folder: ReturnType<typeof makeFolder>;
  beforeEach(() => {
    folder = makeFolder();
  });
  afterEach(() => folder.remove());

  function start(baseURL = 'http://127.0.0.1:9/v1'): Promise<CachedPlanner> {
    return makeCachedPlanner(() => ({ kind: 'answers', action: 'block', afterMs: 200 }), {
      cache: { disk: { path: join(folder.path, 'decisions.lmdb') }, similar: false },
      reads: () => ({ kind: 'reads', probabilities: { block: 0.9, attack: 0.05 }, afterMs: 20 }),
      options: {
        domain: testDomain,
        endpoints: { fake: { baseURL } },
        experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
        synthesis: { models: ['a'], when: 'onDisagreement' },
        quorum: 'firstAgree',
        features: { ...allFeatures(true), discovery: false, constrainedAnswers: false },
      },
    });
  }

  let places = 0;
  /** The steps of plans for new states. */
  async function steps({ planner, clock }: CachedPlanner, plans: number): Promise<string[]> {
    const all: string[] = [];
    for (let nth = 0; nth < plans; nth++) {
      const observation = { place: `cave ${places++}`, health: 50 };
      const { attempts } = await drive(clock, planner.plan(request({ observation })));
      all.push(attempts.map(({ step }) => step).join());
    }
    return all;
  }

  const alone = (all: readonly string[]): number => all.filter((each) => each === 'read').length;

  test('lets reads decide at once after a restart, at the same address, and saves what it learns', async () => {
    const path = join(folder.path, 'decisions.lmdb.reads.json');
    const clock = new FakeClock();
    const open = () => openSavedFile(path, CALIBRATION_FORMAT, clock, (message) => expect.fail(message));
    const key = profileKey('http://127.0.0.1:9/v1', 'e', 'calibration');
    await (await open()).close([[key, savedOf(learned())]]);
    const there = await start();
    expect(alone(await steps(there, 15))).toBeGreaterThan(10);
    await there.planner.close();
    const elsewhere = await start('http://127.0.0.1:10/v1');
    expect(alone(await steps(elsewhere, 5))).toBe(0);
    await elsewhere.planner.close();
    const { saved } = await open();
    expect(saved.size).toBe(2);
    expect(saved.get(profileKey('http://127.0.0.1:10/v1', 'e', 'calibration'))?.compared).toBe(5);
    expect(saved.get(key)?.equality.verdict).toBe('equal');
  });

  test('learns anew where the file is damaged, and says so', async () => {
    writeFileSync(join(folder.path, 'decisions.lmdb.reads.json'), 'no');
    const first = await start();
    const warned = once(first.planner, 'warning');
    await flush();
    expect((await warned).join()).toMatch(/calibrations .*set aside as .*begun anew: it holds something else/);
    expect(alone(await steps(first, 3))).toBe(0);
    await first.planner.close();
  });
});
