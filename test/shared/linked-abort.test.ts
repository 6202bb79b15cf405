import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { linkedAbort } from '../../src/shared/linked-abort.ts';

describe('a linked abort', () => {
  test('aborts with its parent, for the same reason', () => {
    const parent = new AbortController();
    const own = linkedAbort(parent.signal);
    const reason = new Error('over');
    parent.abort(reason);
    expect([own.signal.aborted, own.signal.reason]).toEqual([true, reason]);
  });

  test('is aborted from the start where its parent is', () => {
    const reason = new Error('over');
    expect(linkedAbort(AbortSignal.abort(reason)).signal.reason).toBe(reason);
  });

  test('aborts alone, and its parent does not', () => {
    const parent = new AbortController();
    const own = linkedAbort(parent.signal);
    own.abort(new Error('mine'));
    expect([own.signal.aborted, parent.signal.aborted]).toEqual([true, false]);
  });

  test('leaves nothing with its parent once it is unlinked', () => {
    const parent = new AbortController();
    const own = linkedAbort(parent.signal);
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1);
    own.unlink();
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
    parent.abort();
    expect(own.signal.aborted).toBe(false);
  });
});
