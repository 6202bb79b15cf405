import { describe, expect, test } from 'vitest';
import type { Better } from '../../../src/main/page/report-page.ts';
import { compareReports } from '../../../src/main/report/comparison.ts';
import type { SessionReport } from '../../../src/main/session/report.ts';
import { makeReport } from './make-report.ts';

function betterIn(key: string, a: Partial<SessionReport>, b: Partial<SessionReport>): Better | undefined {
  return compareReports(makeReport(a), makeReport(b)).rows.find((row) => row.key === key)?.better;
}

test('a report is the same as itself in everything, and nothing is to mind', () => {
  const { rows, warnings } = compareReports(makeReport(), makeReport());
  expect(warnings).toEqual([]);
  expect(rows.map(({ better }) => better).filter((better) => better !== 'same')).toEqual([null]);
  expect(rows.every(({ a, b }) => a === b && a !== null)).toBe(true);
});

describe('which is better', () => {
  const planning = (p95: number) => ({ planningMs: { ...makeReport().planningMs, p95 } });
  test.each([
    [100, 95, 'same'],
    [100, 94, 'b'],
    [94, 100, 'a'],
    [0, 0, 'same'],
    [0, 1, 'a'],
  ] as const)('of planning times of %i and %i ms: %s', (a, b, better) => {
    expect(betterIn('planningMs.p95', planning(a), planning(b))).toBe(better);
  });

  test('a share only where the intervals do not meet', () => {
    expect(betterIn('onTime', { onTime: 1_000 }, { onTime: 997 })).toBe('same');
    expect(betterIn('onTime', { onTime: 1_000 }, { onTime: 980 })).toBe('a');
    expect(betterIn('onTime', { plans: 10, onTime: 10 }, { plans: 10, onTime: 9 })).toBe('same');
    expect(betterIn('fallbacks', { plans: 1, fallbacks: 3 }, { plans: 1, fallbacks: 0 })).toBe('same');
    expect(betterIn('fallbacks', { fallbacks: 100 }, { fallbacks: 10 })).toBe('b');
  });

  test('more plans are neither', () => {
    expect(betterIn('plans', { plans: 10 }, { plans: 1_000 })).toBeNull();
  });

  test('where one has nothing to say, neither', () => {
    const off = { ...makeReport().cache, falseHits: null, hits: 0, misses: 0 };
    expect(betterIn('falseHits', { cache: off }, {})).toBeNull();
    expect(betterIn('hitRate', { cache: off }, {})).toBeNull();
    expect(betterIn('planningMs.mean', { plans: 0 }, {})).toBeNull();
    expect(betterIn('callsPerPlan', { plans: 0 }, {})).toBeNull();
  });
});

describe('reads', () => {
  const model = { model: 'phi', compared: 300, error: 0.02, brier: 0.1, brierOfMean: 0.2, curve: [] };
  const counts = { asked: 900, decided: 800, unsure: 90, failed: 10 };
  const rowsOf = (a: SessionReport['reads'], b: SessionReport['reads']) =>
    compareReports(makeReport({ reads: a }), makeReport({ reads: b })).rows.slice(-2);

  test('have a share and a calibration error, of all models by what was compared', () => {
    const calibration = [model, { ...model, compared: 100, error: 0.06 }, { ...model, error: undefined }];
    expect(rowsOf({ ...counts, calibration }, { ...counts, decided: 400, calibration: [model] })).toEqual([
      { key: 'reads.decided', name: 'Reads that decided', unit: 'share', a: 0.8, b: 0.4, better: 'a' },
      {
        key: 'calibrationError',
        name: 'Calibration error of reads',
        unit: 'share',
        a: expect.closeTo(0.03),
        b: 0.02,
        better: 'b',
      },
    ]);
  });

  test('of one session only are compared in their share alone', () => {
    const [decided, error] = rowsOf(null, { ...counts, calibration: [] });
    expect(decided).toMatchObject({ key: 'reads.decided', a: 0, b: 0.8, better: 'b' });
    expect(error).toMatchObject({ key: 'calibrationError', a: null, b: null, better: null });
  });

  test('of neither are left out', () => {
    expect(rowsOf(null, { ...counts, asked: 0, calibration: [] }).map(({ key }) => key)).not.toContain('reads.decided');
  });
});

describe('what is to mind', () => {
  const server = { kind: 'endpoints', baseURLs: ['http://b/v1', 'http://a/v1'] } as const;
  const model = { endpoint: 'local', step: 'expert' } as SessionReport['models'][number];
  test.each<[Partial<SessionReport>, string]>([
    [{ trace: { file: 'x', name: 'town' } }, 'the traces differ: cave and town'],
    [{ plans: 10, legal: 10, onTime: 10 }, 'they planned different numbers of requests: 1000 and 10'],
    [{ server }, 'the servers differ: simulated at 100 times real time and http://a/v1, http://b/v1'],
    [{ models: [{ ...model, model: 'phi' }] }, 'the models differ: none and phi'],
    [{ interrupted: true }, 'b was interrupted'],
    [
      { error: { code: 'ERR_TRACE_INVALID', message: 'x', retryable: false } },
      'b ended with an error (ERR_TRACE_INVALID)',
    ],
  ])('%o', (overrides, warning) => {
    expect(compareReports(makeReport(), makeReport(overrides)).warnings).toEqual([warning]);
  });

  test('not that a simulated server had another port', () => {
    const other = { kind: 'simulated', speed: 100, baseURL: 'http://127.0.0.1:5000/v1' } as const;
    expect(compareReports(makeReport(), makeReport({ server: other })).warnings).toEqual([]);
  });
});
