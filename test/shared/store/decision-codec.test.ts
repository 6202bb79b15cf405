import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Decision, MODEL_SOURCES } from '../../../src/shared/decision.ts';
import { decodeDecision, encodeDecision, isSoundDecision } from '../../../src/shared/store/decision-codec.ts';
import { decision } from '../../support/decisions.ts';

/** What every payload holds before its strings, and the three lengths of its strings. */
const FIXED_BYTES = 16 + 3 * 2;

function roundTrip(value: Decision, bytesMax: number): { decision: Decision; length: number; cut: boolean } {
  const bytes = new Uint8Array(bytesMax);
  const encoded = encodeDecision(value, bytes);
  if (encoded === undefined) throw new Error('the decision was refused');
  return { decision: decodeDecision(bytes.subarray(0, encoded.length)), ...encoded };
}

const text = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength });
const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: 0 }).map((value) => Math.fround(value));
const anyDecision: fc.Arbitrary<Decision> = fc.record({
  action: text(40),
  reason: text(200),
  source: fc.constantFrom(...MODEL_SOURCES),
  model: text(40),
  decidedAtMs: fc.double({ noNaN: true, min: 0, max: 1e13 }),
  latencyMs: float,
  tally: fc.array(fc.record({ action: text(30), count: fc.nat(0xffff), weight: float }), { maxLength: 16 }),
});

describe('what is written is read', () => {
  test('any decision, where there is room for all of it', () => {
    fc.assert(
      fc.property(anyDecision, (value) => {
        expect(roundTrip(value, 16_384)).toMatchObject({ decision: value, cut: false });
      }),
      { numRuns: 500 },
    );
  });

  test('any decision in any room: refused whole, or action and model whole, and the rest a prefix of what was given', () => {
    fc.assert(
      fc.property(anyDecision, fc.nat(600), (value, bytesMax) => {
        const bytes = new Uint8Array(bytesMax + 8).fill(0xee);
        const encoded = encodeDecision(value, bytes.subarray(0, bytesMax));
        const needed = FIXED_BYTES + Buffer.byteLength(value.action) + Buffer.byteLength(value.model);
        expect(encoded === undefined).toBe(needed > bytesMax);
        if (encoded === undefined) return;
        expect(encoded.length).toBeLessThanOrEqual(bytesMax);
        expect(bytes.subarray(bytesMax).every((byte) => byte === 0xee)).toBe(true);
        const read = decodeDecision(bytes.subarray(0, encoded.length));
        expect(read).toMatchObject({ action: value.action, model: value.model, source: value.source });
        expect(value.reason.startsWith(read.reason)).toBe(true);
        expect(read.tally).toEqual(value.tally.slice(0, read.tally.length));
        expect(encoded.cut).toBe(read.reason !== value.reason || read.tally.length < value.tally.length);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a byte order mark at the start of a name stays: the action must be the same, byte for byte', () => {
    expect(roundTrip(decision({ action: '\ufeffattack' }), 448).decision.action).toBe('\ufeffattack');
  });

  test('half of a surrogate pair comes back as U+FFFD, so that the action it stood in is not legal any more', () => {
    expect(roundTrip(decision({ action: 'a\ud800b' }), 448).decision.action).toBe('a\ufffdb');
  });

  test('of more than 65,535 votes for an action 65,535 are remembered', () => {
    const tally = [{ action: 'attack', count: 70_000, weight: 1 }];
    expect(roundTrip(decision({ tally }), 448).decision.tally[0]?.count).toBe(65_535);
  });

  test('of more than sixteen actions the first sixteen are remembered, and the decision counts as cut', () => {
    const tally = Array.from({ length: 17 }, (_, i) => ({ action: `a${i}`, count: 1, weight: 1 }));
    const kept = roundTrip(decision({ tally }), 4_096);
    expect(kept.decision.tally).toEqual(tally.slice(0, 16));
    expect(kept.cut).toBe(true);
    expect(roundTrip(decision({ tally: tally.slice(0, 16) }), 4_096).cut).toBe(false);
  });
});

describe('the bound', () => {
  const bare = decision({ action: 'a'.repeat(50), model: 'm'.repeat(28), reason: '', tally: [] });

  test.each([
    ['one byte less than action and model need', -1, false],
    ['exactly what they need', 0, true],
    ['one byte more', 1, true],
  ])('%s: stored is %s', (_claim, more, stored) => {
    expect(encodeDecision(bare, new Uint8Array(FIXED_BYTES + 78 + more)) !== undefined).toBe(stored);
  });

  test.each([
    ['full minus one', 99, 99, false],
    ['full', 100, 100, false],
    ['full plus one', 101, 100, true],
  ])('a reason that makes the payload %s', (_claim, chars, kept, cut) => {
    const room = roundTrip({ ...bare, reason: 'r'.repeat(chars) }, FIXED_BYTES + 78 + 100);
    expect(room.decision.reason).toHaveLength(kept);
    expect(room.cut).toBe(cut);
    expect(room.length).toBe(FIXED_BYTES + 78 + kept);
  });

  test.each([
    ['é', 2],
    ['☃', 3],
    ['🗡', 4],
  ])('%s, a character of %i bytes, is kept whole or left out', (character, size) => {
    for (let room = 0; room <= 3 * size; room++) {
      const { decision: read } = roundTrip({ ...bare, reason: character.repeat(3) }, FIXED_BYTES + 78 + room);
      expect(read.reason).toBe(character.repeat(Math.floor(room / size)));
    }
  });

  test('the tally gives up its last entries before the reason loses its first 120 bytes', () => {
    const tally = ['attack', 'block', 'retreat'].map((action) => ({ action, count: 1, weight: 0.5 }));
    const bytes = (actions: number) => FIXED_BYTES + 78 + 120 + actions;
    const entry = (action: string) => 2 + action.length + 6;
    const reason = 'r'.repeat(300);
    const kept = (bytesMax: number) => roundTrip({ ...bare, reason, tally }, bytesMax).decision;
    expect(kept(bytes(0)).tally).toHaveLength(0);
    expect(kept(bytes(entry('attack') - 1)).tally).toHaveLength(0);
    expect(kept(bytes(entry('attack'))).tally).toHaveLength(1);
    expect(kept(bytes(entry('attack'))).reason).toHaveLength(120);
    expect(kept(bytes(entry('attack') + entry('block') + entry('retreat') + 180))).toMatchObject({ reason, tally });
  });
});

describe('bytes that were not written by the codec', () => {
  test('another version, no known source and a string past the end are RangeErrors', () => {
    const bytes = new Uint8Array(448);
    const { length } = encodeDecision(decision(), bytes) as { length: number };
    const broken = (at: number, value: number): Uint8Array => {
      const copy = bytes.slice(0, length);
      copy[at] = value;
      return copy;
    };
    expect(() => decodeDecision(broken(0, 9))).toThrow('a decision of version 9, not 1');
    expect(() => decodeDecision(broken(1, 200))).toThrow('a decision of no known source');
    expect(() => decodeDecision(broken(17, 255))).toThrow('a string passes the end of the payload');
  });

  test('every payload that is cut short is a RangeError, and none is read past its end', () => {
    const bytes = new Uint8Array(448);
    const { length } = encodeDecision(decision(), bytes) as { length: number };
    for (let end = 0; end < length; end++) {
      expect(() => decodeDecision(bytes.slice(0, end))).toThrow(RangeError);
    }
  });

  test('are sound exactly if they can be decoded and have no empty action and no time or weight that is no number', () => {
    const isSound = (bytes: Buffer): boolean => {
      try {
        const { action, latencyMs, tally } = decodeDecision(bytes);
        const areVotes = tally.every((vote) => vote.action !== '' && vote.weight >= 0 && Number.isFinite(vote.weight));
        return action !== '' && Number.isFinite(latencyMs) && areVotes;
      } catch {
        return false;
      }
    };
    const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(anyDecision, changes, fc.nat(400), (value, changed, end) => {
        const bytes = Buffer.alloc(448);
        const { length } = encodeDecision(value, bytes) ?? { length: 0 };
        const broken = Buffer.from(bytes.subarray(0, Math.min(length, end < 300 ? length : end)));
        for (const [at, byte] of changed) if (at < broken.length) broken[at] = byte;
        expect(isSoundDecision(broken)).toBe(isSound(broken));
      }),
      { numRuns: 500 },
    );
  });
});
