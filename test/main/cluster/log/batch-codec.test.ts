import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeHead,
  decodeLogRecord,
  encodeDecided,
  encodeHead,
} from '../../../../src/main/cluster/log/batch-codec.ts';
import { framesOf } from '../../../../src/main/cluster/log/frames.ts';
import { decodeMessage, encodeTail, readTail } from '../../../../src/main/cluster/log/message.ts';
import { decision, signatureOf } from '../../../support/decisions.ts';

const place = { gate: 42, coordinates: Float64Array.of(0.25, 0.5), soft: Int32Array.of(-7) };
const record = {
  kind: 'decided',
  signature: signatureOf(3),
  place,
  decision: decision(),
  leftMs: 900,
  ageMs: 5,
} as const;
const head = { node: 'n1', number: 7, hasClear: false, clearId: '12-3', sentMs: 1_000.5 };

function contentOf(bytes: Buffer): Buffer | undefined {
  const [content] = framesOf(bytes);
  return content;
}

it('heads and records come back as they were sent', () => {
  expect(decodeHead(contentOf(encodeHead(head)) as Buffer)).toEqual(head);
  const [decoded, amended] = [record, { ...record, kind: 'amended', place: undefined } as const].map((each) =>
    decodeLogRecord(contentOf(encodeDecided(each)) as Buffer),
  );
  expect(decoded).toEqual(record);
  expect(amended).toMatchObject({ kind: 'amended', place: undefined });
});

it('any changed byte is noticed, and the records after it are still read unless their lengths are lost', () => {
  const [first, second] = [encodeDecided(record), encodeDecided({ ...record, signature: signatureOf(4) })];
  fc.assert(
    fc.property(fc.nat(first.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = Buffer.concat([first, second]);
      bytes[at] = (bytes[at] as number) ^ change;
      const frames = [...framesOf(bytes)];
      expect(frames[0] === undefined || decodeLogRecord(frames[0]) === undefined).toBe(true);
      const isLengthWhole = at < 4 || at >= 8;
      if (isLengthWhole) expect(decodeLogRecord(frames[1] as Buffer)).toMatchObject({ leftMs: 900 });
    }),
  );
});

it('bytes that no node has sent are no head, no record and no message, and nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      for (const frame of framesOf(buffer)) expect(frame === undefined || frame.length < 200).toBe(true);
      const decoded = decodeLogRecord(buffer);
      if (decoded !== undefined) expect(!('decision' in decoded) || decoded.decision.action !== '').toBe(true);
      decodeHead(buffer);
      const message = decodeMessage(buffer);
      readTail(message?.tail ?? buffer, { node: 'n', onState: () => {}, onAct: () => {}, onDamaged: () => {} });
    }),
  );
});

it.each([
  ['a negative age', { ageMs: -1 }],
  ['no time', { leftMs: Number.NaN }],
  ['a time before its end', { leftMs: -1 }],
  ['no action', { decision: decision({ action: '' }) }],
  [
    'a weight that is no number',
    { decision: decision({ tally: [{ action: 'attack', count: 1, weight: Number.NaN }] }) },
  ],
  ['a place that is no number', { place: { ...place, gate: Number.NaN } }],
])('a record with %s is none', (_, wrong) => {
  expect(decodeLogRecord(contentOf(encodeDecided({ ...record, ...wrong })) as Buffer)).toBeUndefined();
});

it('a tail is read by all nodes but its sender', () => {
  const tail = encodeTail('a', ['s1', 's2'], [Buffer.of(1, 2)]);
  const read = (node: string): unknown[] => {
    const seen: unknown[] = [];
    readTail(tail, {
      node,
      onState: (s) => seen.push(s),
      onAct: (a) => seen.push([...a]),
      onDamaged: () => seen.push('?'),
    });
    return seen;
  };
  expect([read('a'), read('b')]).toEqual([[], ['s1', 's2', [1, 2]]]);
  expect(encodeTail('a', [], [])).toHaveLength(0);
});
