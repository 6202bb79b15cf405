import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeldBytes } from '../../../src/main/faces/held-bytes.ts';

test('holds what came, in any cut, also when it is looked at meanwhile, and nothing after it was cleared', () => {
  const length = fc.oneof(fc.nat(300), fc.nat(70_000), fc.constantFrom(4_096, 16_383, 16_384, 65_535, 65_536, 65_537));
  const step = fc.record({ length, isCut: fc.boolean(), isLookedAt: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.constantFrom(0, 10, 65_536), (steps, expected) => {
      const held = new HeldBytes(expected);
      const all: Buffer[] = [];
      for (const [index, { length, isCut, isLookedAt }] of steps.entries()) {
        // A piece may be a small part of what it was cut from.
        const piece = Buffer.alloc(isCut ? 4 * length : length, index + 1).subarray(0, length);
        held.add(piece);
        all.push(piece);
        if (isLookedAt) expect(held.bytes.equals(Buffer.concat(all))).toBe(true);
      }
      expect(held.bytes.equals(Buffer.concat(all))).toBe(true);
      held.clear();
      expect(held.bytes).toHaveLength(0);
    }),
    { numRuns: 200 },
  );
});
