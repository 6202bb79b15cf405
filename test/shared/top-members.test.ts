import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TopMembers, valueAt } from '../../src/shared/top-members.ts';

const WANTED = ['model', 'stream', 'error'];

function scanned(text: string | Buffer, cuts: readonly number[] = []): TopMembers {
  const bytes = Buffer.from(text);
  const members = new TopMembers(WANTED);
  let from = 0;
  for (const cut of [...cuts.filter((each) => each <= bytes.length).sort((a, b) => a - b), bytes.length]) {
    members.push(bytes.subarray(from, cut));
    from = cut;
  }
  return members;
}

function valuesOf(text: string, name: string): unknown[] {
  const bytes = Buffer.from(text);
  return scanned(bytes)
    .spansOf(name)
    .map(({ start, end }) => valueAt(bytes.subarray(start, end)));
}

describe('members of the object itself are found', () => {
  test.each<[string, unknown[]]>([
    ['{"model":"m"}', ['m']],
    [' { "model" : "m" , "stream" : true } ', ['m']],
    ['{"model":5}', [5]],
    ['{"model":null,"a":1}', [null]],
    ['{"model":[1,{"a":"]}"}]}', [[1, { a: ']}' }]]],
    ['{"model":{"model":"inner"}}', [{ model: 'inner' }]],
    ['{"a":{"model":"inner"},"b":["model"],"model":"m"}', ['m']],
    ['{"mod\\u0065l":"m"}', ['m']],
    ['{"model":"a","model":"b"}', ['a', 'b']],
    ['{"a":"\\"model\\":\\"x\\"","model":"q\\"}"}', ['q"}']],
    ['{"a":"\\\\","model":"é€😀"}', ['é€😀']],
    [`{"${'n'.repeat(400)}":1,"model":"m"}`, ['m']],
    ['{}', []],
    ['{"other":1}', []],
  ])('of %.60s', (text, values) => {
    expect(scanned(text).fault).toBeUndefined();
    expect(valuesOf(text, 'model')).toEqual(values);
  });
});

describe('what is no object, or too deep, says so', () => {
  test.each([
    ['', 'no-object'],
    ['[]', 'no-object'],
    ['null', 'no-object'],
    ['"model"', 'no-object'],
    ['{"model":"m"', 'no-object'],
    ['{"model":"m"}}', 'no-object'],
    ['{"model":"m"} x', 'no-object'],
    ['{model:"m"}', 'no-object'],
    ['{"model"}', 'no-object'],
    ['{"model":}', 'no-object'],
    ['{"model":]}', 'no-object'],
    ['{"model":"m', 'no-object'],
    [`{"a":${'['.repeat(127)}${']'.repeat(127)}}`, undefined],
    [`{"a":${'['.repeat(128)}${']'.repeat(128)}}`, 'too-deep'],
  ])('%.40s', (text, fault) => {
    expect(scanned(text).fault).toBe(fault);
  });
});

test('any object, cut anywhere, has the members that a parser finds', () => {
  const member = fc.tuple(fc.oneof(fc.constantFrom(...WANTED), fc.string({ unit: 'binary' })), fc.jsonValue());
  fc.assert(
    fc.property(fc.array(member), fc.array(fc.nat(400)), fc.constantFrom(0, 2), (members, cuts, indent) => {
      const value = Object.fromEntries(members.filter(([name]) => name !== '__proto__'));
      const text = JSON.stringify(value, null, indent);
      const bytes = Buffer.from(text);
      const found = scanned(bytes, cuts);
      expect(found.fault).toBeUndefined();
      for (const name of WANTED) {
        const [span] = found.spansOf(name);
        const has = Object.hasOwn(value, name);
        expect(span !== undefined).toBe(has);
        if (span) expect(valueAt(bytes.subarray(span.start, span.end))).toEqual(JSON.parse(text)[name]);
      }
    }),
  );
});
