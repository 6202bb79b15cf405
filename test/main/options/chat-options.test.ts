import { expect, test } from 'vitest';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { testOptions } from '../../support/make-planner.ts';

function resolved(chat: unknown) {
  return resolveOptions({ ...testOptions, chat } as PlannerOptions).chat;
}

test('a gateway is there without any option', () => {
  expect(resolved(undefined)).toEqual({
    timeoutMs: 120_000,
    stallMs: 30_000,
    maxInFlight: 256,
    bodyBytesMax: 25_165_824,
    fallback: true,
    cache: { entries: 1_000, bytesMax: 67_108_864, ttlMs: 600_000, when: 'deterministic' },
  });
});

test('what is given takes the place of its default alone', () => {
  expect(resolved({ fallback: false, cache: { when: 'all' } })).toMatchObject({
    timeoutMs: 120_000,
    fallback: false,
    cache: { entries: 1_000, when: 'all' },
  });
  expect(resolved({ cache: false }).cache).toBe(false);
});

test.each([
  [{ timeoutMs: 0 }, 'chat.timeoutMs must be more than 0, got 0'],
  [{ stallMs: 1.5 }, 'chat.stallMs must be a whole number, got 1.5'],
  [{ maxInFlight: -1 }, 'chat.maxInFlight must be more than 0, got -1'],
  [{ bodyBytesMax: 10 }, 'chat.bodyBytesMax must be at least 1024, got 10'],
  [{ fallback: 'yes' }, 'chat.fallback must be true or false, got "yes"'],
  [{ cache: { when: 'sometimes' } }, 'chat.cache.when must be one of deterministic, all, got "sometimes"'],
  [{ cache: { ttlMs: 0 } }, 'chat.cache.ttlMs must be more than 0, got 0'],
  [{ cache: { entrys: 5 } }, 'chat.cache.entrys is not a known option'],
  [{ speed: 1 }, 'chat.speed is not a known option'],
])('%j is refused by its name, rule and value', (chat, message) => {
  expect(() => resolved(chat)).toThrow(message);
});
