import fc from 'fast-check';
import { expect, it } from 'vitest';
import { actionInVain, LoopGuard } from '../../../../src/main/cache/loop-guard.ts';
import { AgentActs, decodeAct, encodeAct } from '../../../../src/main/cluster/agents/agent-acts.ts';
import { signatureOf } from '../../../support/decisions.ts';

const act = {
  agent: 'lydia',
  signature: signatureOf(1),
  scene: 'kampf ⚔',
  action: 'fliehen',
  repeats: 2,
  streak: 9,
  isFromMemory: true,
};

/** A loop guard of one node, told of the acts of another. */
function guards(): { a: LoopGuard; b: LoopGuard; send: () => void; acts: AgentActs } {
  const [a, b] = [new LoopGuard(1_000), new LoopGuard(1_000)];
  a.onNews = () => {};
  const memoryOf = (guard: LoopGuard) => ({
    takeNews: () => guard.takeNews(),
    heard: (each: typeof act) => void guard.heard(each, 0),
  });
  const [sender, acts] = [new AgentActs(memoryOf(a)), new AgentActs(memoryOf(b))];
  return { a, b, acts, send: () => sender.take().forEach((bytes) => void acts.heard(bytes)) };
}

it('an act comes back as it was sent, and other bytes are none', () => {
  expect(decodeAct(encodeAct(act) as Buffer)).toEqual(act);
  expect(encodeAct({ ...act, agent: 'x'.repeat(2_000) })).toBeUndefined();
  const text = (length: number): Buffer =>
    Buffer.concat([Buffer.of(length & 0xff, length >> 8), Buffer.alloc(length, 'x')]);
  const forged = (length: number) => decodeAct(Buffer.concat([Buffer.alloc(21), text(length), text(1), text(1)]));
  expect([forged(1_024)?.agent.length, forged(1_025)]).toEqual([1_024, undefined]);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void decodeAct(Buffer.from(bytes))));
});

it('an agent is named once, with its last act, and what it repeated at several nodes adds up', () => {
  const { a, b, send, acts } = guards();
  for (const action of ['attack', 'block', 'flee']) a.took('lydia', signatureOf(1), 's', action, 0);
  send();
  expect(acts.stats().received).toBe(1);
  expect(actionInVain(b.recall('lydia'), signatureOf(1))).toBeUndefined();
  b.took('lydia', signatureOf(1), 's', 'flee', 0);
  expect(actionInVain(b.recall('lydia'), signatureOf(1))).toBe('flee');
});

it('of too many agents at once, 128 are named', () => {
  const { a, send, acts, b } = guards();
  for (let i = 0; i < 200; i++) a.took(`agent ${i}`, signatureOf(i), 's', 'flee', 0);
  send();
  expect([acts.stats().received, b.recall('agent 127') !== undefined, b.recall('agent 128')]).toEqual([
    128,
    true,
    undefined,
  ]);
  a.took('agent 128', signatureOf(1), 's', 'flee', 0);
  send();
  expect(acts.stats().received).toBe(129);
});
