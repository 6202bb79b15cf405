import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  DEFAULT_SEED,
  generateSteps,
  generateTrace,
  measureTrace,
  type TraceStep,
} from '../../scripts/make-skyrim-trace.ts';

const committed = readFileSync(new URL('../../examples/skyrim.jsonl', import.meta.url), 'utf8');

test('the committed example is what the script makes', () => {
  expect(generateTrace(DEFAULT_SEED) === committed).toBe(true);
});

test('another seed makes another life', () => {
  expect(generateTrace(DEFAULT_SEED + 1) === committed).toBe(false);
});

test('the example has enough valid requests, which recur as in a game', () => {
  const steps = committed
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as TraceStep);
  const { requests, repeated } = measureTrace(steps);
  expect(requests).toBeGreaterThanOrEqual(2_000);
  expect(repeated / requests).toBeGreaterThan(0.5);
  expect(repeated / requests).toBeLessThan(0.7);
  expect(new Set(steps.map((step) => step.agent)).size).toBeGreaterThanOrEqual(6);
  expect(committed.length).toBeLessThan(1_500_000);
});

test('time only goes on, and what was chosen was legal', () => {
  let lastT = 0;
  for (const { t, chosen, actions } of generateSteps(DEFAULT_SEED)) {
    expect(t).toBeGreaterThanOrEqual(lastT);
    expect(actions).toContain(chosen);
    lastT = t;
  }
});
