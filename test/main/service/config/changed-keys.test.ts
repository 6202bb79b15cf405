import { describe, expect, test } from 'vitest';
import { changedKeys } from '../../../../src/main/service/config/changed-keys.ts';

describe('changed keys', () => {
  test.each<[string, unknown, unknown, string[]]>([
    ['nothing', { a: 1, b: { c: [1, { d: 2 }] } }, { a: 1, b: { c: [1, { d: 2 }] } }, []],
    ['a value inside', { cache: { entries: 1, ttlMs: 2 } }, { cache: { entries: 9, ttlMs: 2 } }, ['cache.entries']],
    [
      'an item of a list',
      { experts: [{ m: 'a' }, { m: 'b' }] },
      { experts: [{ m: 'a' }, { m: 'c' }] },
      ['experts[1].m'],
    ],
    ['the length of a list', { experts: [1] }, { experts: [1, 2] }, ['experts']],
    ['a section that comes', {}, { log: { level: 'info' } }, ['log']],
    ['a section that goes', { log: { level: 'info' } }, {}, ['log']],
    ['false for an object', { cache: { entries: 1 } }, { cache: false }, ['cache']],
    [
      'a list of names that is applied as a whole',
      { serve: { http: { allowedHosts: ['a'] } } },
      { serve: { http: { allowedHosts: ['b'] } } },
      ['serve.http.allowedHosts'],
    ],
    ['a domain as a whole', { domain: { name: 'a', f: 1 } }, { domain: { name: 'a', f: 2 } }, ['domain']],
  ])('%s', (_, before, after, keys) => {
    expect(changedKeys(before, after)).toEqual(keys);
  });
});
