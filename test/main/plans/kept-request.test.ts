import { expect, test } from 'vitest';
import { charsOf } from '../../../src/main/plans/kept-request.ts';
import { request } from '../../support/make-planner.ts';

test('the length of a request counts all of its texts', () => {
  const { observation, ...rest } = request({ actions: ['go'], observation: {} });
  const length = (value: object): number =>
    charsOf({ ...rest, observation, ...value }) - charsOf({ ...rest, observation });
  expect(length({ observation: { place: 'cave', health: 5, isDark: true } })).toBe(4);
  expect(length({ observation: { tags: ['a', 'bc'] } })).toBe(3);
  expect(length({ observation: { picture: 'data:image/png;base64,AAAA' } })).toBe(26);
  expect(length({ observation: { picture: { mediaType: 'image/png', base64: 'AAAA' } } })).toBe(4);
  expect(length({ qValues: { go: 1, stay: 2 } })).toBe(6);
});

test('the values of a long request count as much as its actions', () => {
  const actions = Array.from({ length: 1_000 }, () => 'go');
  expect(charsOf(request({ actions, observation: {}, qValues: { go: 1 } }))).toBe(4_002);
});
