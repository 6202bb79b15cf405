import type { Decision } from '../../src/shared/decision.ts';
import type { Signature } from '../../src/shared/signature.ts';

/** A whole decision around what a test is about. */
export function decision(overrides: Partial<Decision> = {}): Decision {
  return {
    action: 'attack',
    reason: 'the bandit is weak',
    source: 'synthesis',
    model: 'small',
    decidedAtMs: 1_767_225_600_000,
    latencyMs: 250,
    tally: [{ action: 'attack', count: 2, weight: 1.5 }],
    ...overrides,
  };
}

/** A signature by number. All numbers below 2^24 differ, and `bucketWord` puts them where a test wants them. */
export function signatureOf(id: number, bucketWord = Math.imul(id, 0x9e3779b1)): Signature {
  return Int32Array.of(bucketWord, id, ~id, Math.imul(id, 0x85ebca6b));
}
