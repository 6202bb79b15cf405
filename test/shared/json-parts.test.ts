import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inOneGo } from '../../src/shared/in-parts.ts';
import { parseJsonInParts } from '../../src/shared/json-parts.ts';
import { parseJson } from '../../src/shared/untrusted-json.ts';

const FILL = 'x'.repeat(70_000);
const ACTIONS = Array.from({ length: 100_000 }, (_, i) => `action "${i}" \\ ü`);
const LARGEST = {
  jsonrpc: '2.0',
  params: { agent: 'a', actions: ACTIONS, qValues: Object.fromEntries(ACTIONS.map((action, i) => [action, i / 7])) },
};

/** How many parts, and what comes of them. */
function parsed(text: string): { parts: number; reading: ReturnType<typeof parseJson> } {
  const work = parseJsonInParts(text);
  let parts = 1;
  for (let step = work.next(); ; step = work.next(), parts++) if (step.done) return { parts, reading: step.value };
}

test('the largest request is parsed in parts of 64 KiB, also in a batch, and is the same', () => {
  for (const value of [LARGEST, LARGEST.params, [LARGEST, LARGEST]]) {
    const text = JSON.stringify(value);
    const { parts, reading } = parsed(text);
    expect(reading).toEqual({ value });
    expect(parts).toBeGreaterThan(text.length / 65_536);
  }
});

test('any value that is long is what JSON.parse makes of it, member by member', () => {
  const longer = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(FILL, [FILL], { __proto__: null, a: FILL }, [[[[[FILL, {}]]]]], '\\"'.repeat(40_000)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', 'a,"]}')), tie('value'), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(
    fc.property(longer, fc.constantFrom('', ' \n'), (value, blank) => {
      const text = `${blank}${JSON.stringify([FILL, value, FILL], null, blank)}${blank}`;
      const reading = inOneGo(parseJsonInParts(text));
      expect(reading).toEqual(parseJson(text));
      expect(JSON.stringify(reading)).toBe(JSON.stringify(parseJson(text)));
    }),
    { numRuns: 100 },
  );
});

const MEMBERS = Array.from({ length: 20_000 }, (_, i) => `"m${i}"`).join();
const NAMED = Array.from({ length: 20_000 }, (_, i) => `"m${i}":${i}`).join();

test.each([
  ['a comma at the end of a list', `[${MEMBERS},]`],
  ['a comma at the start', `[,${MEMBERS}]`],
  ['two commas', `[${MEMBERS},,${MEMBERS}]`],
  ['a comma at the end of an object', `{${NAMED},}`],
  ['a list without end', `[${MEMBERS}`],
  ['a list that ends as an object', `[${MEMBERS}}`],
  ['an object that ends as a list', `{${NAMED}]`],
  ['members without names', `{${MEMBERS}}`],
  ['names in a list', `[${NAMED}]`],
  ['text behind it', `[${MEMBERS}] x`],
  ['another list behind it', `[${MEMBERS}][]`],
  ['a bracket too many', `[${MEMBERS}]]`],
  ['a text without end', `["${FILL}`],
  ['a name without a value', `{"a" "${FILL}"}`],
  ['no colon', `{"a",${NAMED}}`],
  ['no name before a long value', `{1:["${FILL}"]}`],
  ['a long word', FILL],
  ['a long word in a list', `[${FILL}]`],
  ['blanks alone', ' '.repeat(70_000)],
  ['two values', `["${FILL}" "${FILL}"]`],
  ['a backslash at the end', `["${FILL}\\`],
  ['a blank member between long ones', `["${FILL}", ,"${FILL}"]`],
])('%s is no JSON', (_, text) => {
  expect(parseJson(text)).toHaveProperty('rule');
  const reading = inOneGo(parseJsonInParts(text));
  expect(reading).toEqual({ rule: expect.stringMatching(/^must be JSON \(.+\)$/s) });
  expect(reading).not.toEqual({ rule: expect.stringContaining('position') });
});

test('the same member twice is the last one, wherever the parts end', () => {
  const text = `{"a":1,${NAMED},"a":2,"m0":"${FILL}","m1":3}`;
  const reading = inOneGo(parseJsonInParts(text));
  expect(reading).toEqual(parseJson(text));
  expect(JSON.stringify(reading)).toBe(JSON.stringify(parseJson(text)));
});
