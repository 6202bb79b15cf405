import { expect, test } from 'vitest';
import { promptChars } from '../../../src/shared/model-client/prompt-chars.ts';

const PICTURE = { type: 'image_url', image_url: { url: 'data:x' } };

test.each([
  [
    [
      { role: 'system', content: 'abc' },
      { role: 'user', content: [{ type: 'text', text: 'de' }] },
    ],
    undefined,
    5,
  ],
  [[{ role: 'assistant', content: null, tool_calls: [] }, null, 7], undefined, 0],
  [[{ role: 'user', content: 'abc' }], [{ a: 1 }], 12],
  [[{ role: 'user', content: [{ type: 'text', text: 'de' }, PICTURE] }], undefined, undefined],
  ['no list', undefined, 0],
])('%j with tools %j has so many characters: %s', (messages, tools, chars) => {
  expect(promptChars({ messages, tools })).toBe(chars);
});
