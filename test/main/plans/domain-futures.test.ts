import { beforeEach, describe, expect, test } from 'vitest';
import { DomainFutures } from '../../../src/main/plans/expectations/domain-futures.ts';
import type { NextRunner } from '../../../src/main/plans/expectations/domain-thread.ts';
import type { Guess } from '../../../src/main/plans/expectations/future.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import type { NextStates, NextTask } from '../../../src/shared/next-states.ts';
import { flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { request, testDomain } from '../../support/make-planner.ts';

const at = (place: string) => ({ observation: { place, health: 50 }, actions: ['attack', 'flee'] });

/** A domain's thread that answers when a test says so. */
class ScriptedThread implements NextRunner {
  readonly tasks: NextTask[] = [];
  readonly #answers: PromiseWithResolvers<NextStates>[] = [];
  closed = 0;

  run(task: NextTask, signal: AbortSignal): Promise<NextStates> {
    this.tasks.push(task);
    const answer = Promise.withResolvers<NextStates>();
    this.#answers.push(answer);
    signal.addEventListener('abort', () => answer.reject(new Error('aborted')), { once: true });
    return answer.promise;
  }

  async answer(states: Partial<NextStates> | Error): Promise<void> {
    const next = this.#answers.shift();
    if (states instanceof Error) next?.reject(states);
    else next?.resolve({ states: [], left: 0, slow: 0, ...states });
    await flush();
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

let clock: FakeClock;
let thread: ScriptedThread;
let futures: DomainFutures;
let taken: Guess[];
let warnings: string[];

function make(domain = testDomain): void {
  clock = new FakeClock(1_000);
  thread = new ScriptedThread();
  futures = new DomainFutures({ domain, clock, thread });
  taken = [];
  warnings = [];
  futures.host = { take: (guesses) => void taken.push(...guesses), warn: (message) => void warnings.push(message) };
}
beforeEach(() => make());

async function decide(agent = 'tester', action = 'block'): Promise<void> {
  futures.decided(request({ agent }), action);
  await flush();
}

describe('the next states of a domain', () => {
  test('are guessed after a decided action, each as likely as the others', async () => {
    await decide();
    expect(thread.tasks).toEqual([{ kind: 'next', observation: { place: 'cave', health: 50 }, action: 'block' }]);
    await thread.answer({ states: [at('wood'), at('hill')] });
    const same = { agent: 'tester', source: 'domain', likelihood: 0.5 };
    expect(taken).toEqual([
      { ...same, ...at('wood') },
      { ...same, ...at('hill') },
    ]);
    expect(futures.stats()).toEqual({ calls: 1, slow: 0, invalid: 0, dropped: 0, off: null });
  });

  test('that are not valid are dropped and counted, with one warning', async () => {
    await decide();
    const wrong = [
      { observation: { mood: 1 }, actions: ['a'] },
      { observation: null, actions: ['a'] },
    ];
    await thread.answer({ states: [at('wood'), ...wrong, { ...at('hill'), actions: [] }], left: 2 });
    expect(taken).toMatchObject([{ observation: { place: 'wood' }, likelihood: 0.25 }]);
    expect(futures.stats()).toMatchObject({ invalid: 3, dropped: 2, off: null });
    expect(warnings).toEqual([
      'domain.next returned an invalid state, and such states are dropped: observation.place is a category that test needs, got nothing',
    ]);
  });

  test('are computed for one action at a time, and of an agent for the newest', async () => {
    await decide('a', 'first');
    await decide('b', 'old');
    await decide('b', 'new');
    await decide('a', 'second');
    expect(thread.tasks).toHaveLength(1);
    await thread.answer({ states: [at('wood')] });
    // What followed from the first action of `a` is too old to be told.
    expect(taken).toEqual([]);
    await thread.answer({ states: [at('wood')] });
    expect(thread.tasks.map(({ action }) => action)).toEqual(['first', 'new', 'second']);
    expect(taken).toMatchObject([{ agent: 'b' }]);
  });

  test('are computed for at most 64 waiting agents', async () => {
    await decide('busy');
    for (let agent = 0; agent < 65; agent++) futures.decided(request({ agent: `${agent}` }), 'block');
    expect(futures.stats()).toMatchObject({ calls: 1, dropped: 1 });
  });

  test('are computed without pictures', async () => {
    make(defineDomain({ name: 'seen', features: { place: { kind: 'category' }, view: { kind: 'image' } } }));
    futures.decided(request({ observation: { place: 'cave', view: 'data:image/png;base64,AA==' } }), 'block');
    await flush();
    expect(thread.tasks[0]?.observation).toEqual({ place: 'cave' });
  });

  test('are not computed for requests that are too long to be kept', async () => {
    futures.decided(request({ observation: { place: 'x'.repeat(100_001), health: 1 } }), 'block');
    await flush();
    expect(thread.tasks).toEqual([]);
    expect(futures.stats().dropped).toBe(1);
  });
});

describe('a domain is switched off', () => {
  async function expectOff(reason: string): Promise<void> {
    expect(futures.stats().off).toContain(reason);
    expect(warnings).toEqual([`domain.next is switched off: ${futures.stats().off}`]);
    expect(thread.closed).toBe(1);
    const asked = thread.tasks.length;
    await decide();
    expect(thread.tasks).toHaveLength(asked);
    expect(clock.pendingTimers).toBe(0);
  }

  test('when its functions throw', async () => {
    await decide();
    await thread.answer(new Error('no such cell'));
    await expectOff('it failed: no such cell');
  });

  test('when a call does not return', async () => {
    await decide();
    clock.advance(999);
    expect(futures.stats().off).toBeNull();
    clock.advance(1);
    await flush();
    await expectOff('a call took more than 1000 ms');
  });

  test('after its third slow call', async () => {
    for (let call = 0; call < 3; call++) {
      expect(futures.stats().off).toBeNull();
      await decide();
      await thread.answer({ states: [], slow: 1 });
    }
    expect(futures.stats().slow).toBe(3);
    await expectOff('3 of its latest calls took more than 5 ms each');
  });

  test('not for slow calls that are far apart', async () => {
    for (let call = 0; call < 301; call++) {
      await decide();
      await thread.answer({ slow: call % 100 === 0 ? 1 : 0 });
    }
    expect(futures.stats()).toMatchObject({ calls: 301, slow: 4, off: null });
  });

  test('not if its answer came while the planner was busy', async () => {
    await decide();
    clock.advance(5_000);
    await thread.answer({ states: [at('wood')] });
    expect(futures.stats().off).toBeNull();
    expect(taken).toHaveLength(1);
  });

  test('without a warning when its planner closes', async () => {
    await decide();
    await futures.close();
    await thread.answer(new Error('the pool is closed'));
    expect(warnings).toEqual([]);
    expect(futures.stats().off).toBe('the planner is closed');
  });
});
