import { expect, test } from 'vitest';
import { DecisionMemory } from '../../../src/main/cache/decision-memory.ts';
import { DecisionStore } from '../../../src/main/cache/decision-store.ts';
import { Placer, type StatePoint } from '../../../src/shared/place.ts';
import { SIGNATURE_WORDS, Signer } from '../../../src/shared/signature.ts';
import { decision } from '../../support/decisions.ts';
import { asked, GUARD, ROVER } from '../../support/make-domains.ts';

const REQUEST = asked(undefined);
const SIMILAR = { distanceMax: 1, confirmedMax: 1 };

/** One domain's memory in a shared store, with what it has of one state. */
function memoryOf(store: DecisionStore, domain: typeof ROVER) {
  const signer = new Signer(domain);
  const placer = new Placer(domain, signer);
  const memory = new DecisionMemory({ entries: 4, similar: SIMILAR }, placer, store);
  const { observation, actions } = REQUEST;
  const signature = signer.sign(observation, actions, new Int32Array(SIGNATURE_WORDS));
  const place = placer.place(observation, actions) as StatePoint;
  return {
    memory,
    remember: (action: string) => memory.remember(REQUEST, signature, 'cave', decision({ action }), 1_000),
    near: () => memory.nearest(place, 1, 0, () => true)?.entry.decision.action,
  };
}

test('a clear by one domain leaves another no way to what stands in its slots later', () => {
  const store = new DecisionStore(4, 2);
  const rover = memoryOf(store, ROVER);
  const guard = memoryOf(store, { ...GUARD, scope: 'guard' });
  guard.remember('block');
  rover.remember('attack');
  expect([rover.near(), guard.near(), rover.memory.stats().entries]).toEqual(['attack', 'block', 1]);
  rover.memory.clear();
  for (const action of ['flee', 'attack']) rover.remember(action);
  expect([rover.near(), guard.near()]).toEqual(['attack', undefined]);
  expect([rover.memory.stats().entries, guard.memory.stats().entries]).toEqual([1, 0]);
});

test('counts what another node has amended and this one has evicted', () => {
  const store = new DecisionStore(4, 2);
  const { memory, remember } = memoryOf(store, ROVER);
  memory.adoptAmended({
    signature: new Int32Array([1, 2, 3, 4]),
    place: undefined,
    decision: decision(),
    expiresAtMs: 1_000,
  });
  remember('attack');
  expect(memory.stats().entries).toBe(2);
});
