import { type BoundsFault, JSON_LIMITS } from '../../../src/shared/untrusted-json.ts';

const { depth, members, membersInAll } = JSON_LIMITS;

export const nested = (levels: number, inside = '') => `${'['.repeat(levels)}${inside}${']'.repeat(levels)}`;
export const wide = (count: number, member = '0') => `[${Array.from({ length: count }, () => member).join(',')}]`;
const object = (count: number) => `{${Array.from({ length: count }, (_, i) => `"a${i}":0`).join(',')}}`;
const lists = (count: number, of: number) => `[${Array.from({ length: count }, () => wide(of)).join(',')}]`;

/** Texts that are deep or wide, and the bound that each passes. */
export const JSON_ROWS: [string, string, BoundsFault | undefined][] = [
  ['the deepest', nested(depth), undefined],
  ['one level more', nested(depth + 1), 'too-deep'],
  ['one level more, mixed', `${'[{"a":'.repeat(depth / 2)}[]${'}]'.repeat(depth / 2)}`, 'too-deep'],
  ['brackets that never close', '['.repeat(1_000_000), 'too-deep'],
  ['brackets in a text', `["${'['.repeat(1_000)}"]`, undefined],
  ['brackets in a text behind a quote', `["\\"${'['.repeat(1_000)}"]`, undefined],
  ['brackets behind a text that ends in a backslash', `["\\\\"${',['.repeat(depth)}`, 'too-deep'],
  ['brackets in a text never closed', `["${'['.repeat(1_000)}`, undefined],
  ['many closed one after the other', wide(members, '[0]'), undefined],
  ['the widest list', wide(members), undefined],
  ['one member more', wide(members + 1), 'too-wide'],
  ['the widest object', object(members), undefined],
  ['one name more', object(members + 1), 'too-wide'],
  ['commas in a text', `["${','.repeat(300_000)}"]`, undefined],
  ['commas outside of everything', ','.repeat(members + 1), 'too-wide'],
  ['empty objects', wide(members + 1, '{}'), 'too-wide'],
  // Two lists of one member less than what is left beside their own two and one.
  ['as many as there may be in all', lists(10, (membersInAll - 10) / 10), undefined],
  ['one more in all', lists(10, (membersInAll - 10) / 10).replace('[0', '[0,0'), 'too-wide'],
  ['a request with the most actions and values', `{"a":${wide(members, '"x"')},"q":${object(members)}}`, undefined],
  ['closing without opening', ']]}'.repeat(1_000), undefined],
  ['nothing', '', undefined],
  ['texts without end', '""'.repeat(500_002), 'too-wide'],
  ['closing without end', ']'.repeat(500_002), 'too-wide'],
];
