import { describe, expect, test } from 'vitest';
import type { ExpertListeners } from '../../../../src/main/models/pool/expert-pool.ts';
import type { QuorumRule, ResolvedExpert } from '../../../../src/main/options/planner-options.ts';
import { Ballot } from '../../../../src/main/plans/panel/ballot.ts';
import { Panel, type PanelAsker, type PanelJob } from '../../../../src/main/plans/panel/panel.ts';
import type { ErrorCode } from '../../../../src/shared/errors.ts';
import type { ExpertResult } from '../../../../src/shared/tasks.ts';
import type { OnChoice } from '../../../../src/shared/vote-answer.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { request } from '../../../support/make-planner.ts';

function member(role: string, weight = 1): ResolvedExpert {
  return {
    role,
    model: 'm',
    endpoint: 'fake',
    timeoutMs: 1_000,
    maxTokens: 10,
    temperature: 0,
    weight,
    thinks: false,
    answers: 'write',
    alternatives: [],
  };
}

/** A panel of experts `a`, `b`, … whose answers the test gives. */
class PanelUnderTest implements PanelAsker {
  readonly clock = new FakeClock();
  readonly ballot: Ballot;
  readonly panel: Panel;
  /** In the order in which they were asked. */
  readonly asked: string[] = [];
  room = true;
  isDone = false;
  readonly #answers = new Map<string, (result: ExpertResult | Promise<never>) => void>();
  readonly #firstTokens = new Map<string, (() => void) | undefined>();
  readonly #choices = new Map<string, OnChoice | undefined>();

  constructor(experts: string, rule: QuorumRule = 'firstAgree', more: Partial<PanelJob> = {}) {
    this.ballot = new Ballot(request(), { rule, weightOf: () => 1, valuesWeight: 0 });
    this.panel = new Panel(this.clock, {
      ballot: this.ballot,
      asker: this,
      members: [...experts].map((role) => member(role)),
      isStaged: true,
      atOnce: undefined,
      patienceMs: undefined,
      isPatienceGuessed: false,
      primeMs: undefined,
      reasonMs: 100,
      ...more,
    });
    this.panel.done.then(
      () => {
        this.isDone = true;
      },
      () => {},
    );
    this.panel.begin();
  }

  get hasRoom(): boolean {
    return this.room;
  }

  isTimely(): boolean {
    return true;
  }

  seated(expert: ResolvedExpert): ResolvedExpert {
    return expert;
  }

  ask({ role }: ResolvedExpert, { onFirstToken, onChoice }: ExpertListeners): Promise<ExpertResult> {
    this.asked.push(role);
    this.#firstTokens.set(role, onFirstToken);
    this.#choices.set(role, onChoice);
    return new Promise((resolve) => this.#answers.set(role, resolve));
  }

  async votes(role: string, action: string): Promise<void> {
    await this.#answer(role, { ok: true, vote: { action, reason: '' }, report: { totalMs: 1 } });
  }

  async chooses(role: string, action: string | undefined): Promise<void> {
    this.#choices.get(role)?.(action);
    await flush();
  }

  async fails(role: string, code: ErrorCode = 'ERR_MODEL_EMPTY'): Promise<void> {
    await this.#answer(role, { ok: false, error: { code, message: '', retryable: false }, report: { totalMs: 1 } });
  }

  async breaks(role: string, bug: Error): Promise<void> {
    await this.#answer(role, Promise.reject(bug));
  }

  async writes(role: string): Promise<void> {
    this.#firstTokens.get(role)?.();
    await flush();
  }

  async #answer(role: string, result: ExpertResult | Promise<never>): Promise<void> {
    this.#answers.get(role)?.(result);
    await flush();
  }
}

describe('a staged panel', () => {
  test('asks two, and is done when they agree: the third is never asked', async () => {
    const under = new PanelUnderTest('abc');
    expect(under.asked).toEqual(['a', 'b']);
    await under.votes('b', 'flee');
    expect(under.isDone).toBe(false);
    await under.votes('a', 'flee');
    expect([under.isDone, under.asked]).toEqual([true, ['a', 'b']]);
    expect(under.panel.verdict).toEqual({ kind: 'settled', action: 'flee' });
  });

  test('is not done before it has as many votes as are wanted, while more can come', async () => {
    const under = new PanelUnderTest('abc', 'firstAgree', { atOnce: 1 });
    under.ballot.votesMin = 3;
    await under.votes('a', 'flee');
    await under.votes('b', 'flee');
    expect([under.isDone, under.asked]).toEqual([false, ['a', 'b', 'c']]);
    await under.fails('c');
    expect(under.isDone).toBe(true);
    expect(under.panel.verdict).toEqual({ kind: 'settled', action: 'flee' });
  });

  test('asks one more for each vote that does not help, and is done when there is nobody else', async () => {
    const under = new PanelUnderTest('abcd');
    await under.votes('a', 'flee');
    // The second one may still agree.
    expect(under.asked).toEqual(['a', 'b']);
    await under.votes('b', 'block');
    expect(under.asked).toEqual(['a', 'b', 'c']);
    await under.votes('c', 'attack');
    expect(under.asked).toEqual(['a', 'b', 'c', 'd']);
    expect(under.isDone).toBe(false);
    await under.fails('d');
    expect(under.isDone).toBe(true);
    expect(under.ballot.votes.map(({ role, vote }) => `${role} ${vote.action}`)).toEqual([
      'a flee',
      'b block',
      'c attack',
    ]);
  });

  test('asks one more for each failure', async () => {
    const under = new PanelUnderTest('abcd');
    await under.fails('a');
    expect(under.asked).toEqual(['a', 'b', 'c']);
    await under.fails('b');
    expect(under.asked).toEqual(['a', 'b', 'c', 'd']);
    await under.fails('c');
    await under.fails('d');
    expect([under.isDone, under.ballot.votes]).toEqual([true, []]);
  });

  test('of a majority asks as many as are one at first', () => {
    expect(new PanelUnderTest('abcde', 'majority').asked).toEqual(['a', 'b', 'c']);
    expect(new PanelUnderTest('abcde', 'all').asked).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('of one expert asks it and is done with its answer, and of nobody is done at once', async () => {
    const one = new PanelUnderTest('a');
    expect(one.asked).toEqual(['a']);
    await one.votes('a', 'flee');
    expect(one.isDone).toBe(true);
    const nobody = new PanelUnderTest('');
    await flush();
    expect(nobody.isDone).toBe(true);
  });
});

test('a panel that is not staged asks everyone at once', () => {
  expect(new PanelUnderTest('abcd', 'firstAgree', { isStaged: false }).asked).toEqual(['a', 'b', 'c', 'd']);
});

describe('patience', () => {
  test('asks another one beside those that are slow, once for each time it runs out', () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100 });
    under.clock.advance(99);
    expect(under.asked).toEqual(['a', 'b']);
    under.clock.advance(1);
    expect(under.asked).toEqual(['a', 'b', 'c']);
    under.clock.advance(99);
    expect(under.asked).toHaveLength(3);
    under.clock.advance(1);
    expect(under.asked).toEqual(['a', 'b', 'c', 'd']);
    // Nobody is left to ask.
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('waits on where there is no room, and looks again', () => {
    const under = new PanelUnderTest('abc', 'firstAgree', { patienceMs: 100 });
    under.room = false;
    under.clock.advance(250);
    expect(under.asked).toEqual(['a', 'b']);
    under.room = true;
    under.clock.advance(50);
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });

  test('that is a guess asks nobody more of a server that may still read', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100, isPatienceGuessed: true });
    under.clock.advance(1_000);
    expect(under.asked).toEqual(['a', 'b']);
    await under.writes('b');
    under.clock.advance(100);
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });

  test('that is a guess asks one more of another server, and once anybody has answered', async () => {
    const members = ['a', 'b', 'c'].map((role) => ({ ...member(role), endpoint: role === 'c' ? 'other' : 'local' }));
    const elsewhere = new PanelUnderTest('abc', 'firstAgree', { patienceMs: 100, isPatienceGuessed: true, members });
    elsewhere.clock.advance(100);
    expect(elsewhere.asked).toEqual(['a', 'b', 'c']);
    const answered = new PanelUnderTest('abc', 'firstAgree', { patienceMs: 100, isPatienceGuessed: true });
    await answered.votes('a', 'flee');
    answered.clock.advance(100);
    expect(answered.asked).toEqual(['a', 'b', 'c']);
  });

  test('begins anew with each answer', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100 });
    under.clock.advance(60);
    await under.votes('a', 'flee');
    under.clock.advance(60);
    expect(under.asked).toEqual(['a', 'b']);
    under.clock.advance(40);
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });

  test('counts those it asked: a vote that does not help asks nobody while others are still open', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100 });
    under.clock.advance(100);
    await under.votes('a', 'flee');
    await under.votes('b', 'block');
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });
});

describe('a panel that primes', () => {
  test('asks the others at the first token of the first one', async () => {
    const under = new PanelUnderTest('abc', 'all', { primeMs: 500 });
    expect(under.asked).toEqual(['a']);
    await under.writes('a');
    expect(under.asked).toEqual(['a', 'b', 'c']);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('asks them when that takes too long: not before its time, and not twice', async () => {
    const under = new PanelUnderTest('abc', 'all', { primeMs: 500 });
    under.clock.advance(499);
    expect(under.asked).toEqual(['a']);
    under.clock.advance(1);
    expect(under.asked).toEqual(['a', 'b', 'c']);
    await under.writes('a');
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });

  test('asks them when the first one ends without a token', async () => {
    const under = new PanelUnderTest('abc', 'all', { primeMs: 500 });
    await under.fails('a');
    expect(under.asked).toEqual(['a', 'b', 'c']);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('has nothing to wait for where there is one expert', () => {
    const under = new PanelUnderTest('a', 'all', { primeMs: 500 });
    expect([under.asked, under.clock.pendingTimers]).toEqual([['a'], 0]);
  });
});

describe('a panel that stops asking', () => {
  test('still hears those it has asked, and is done when they have answered', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100 });
    under.panel.stopAsking();
    under.clock.advance(1_000);
    await under.votes('a', 'flee');
    await under.votes('b', 'block');
    expect([under.asked, under.isDone]).toEqual([['a', 'b'], true]);
    expect(under.ballot.votes).toHaveLength(2);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('while it primes asks nobody at the first token', async () => {
    const under = new PanelUnderTest('abc', 'all', { primeMs: 500 });
    under.panel.stopAsking();
    await under.writes('a');
    expect(under.asked).toEqual(['a']);
  });
});

describe('a panel that is closed', () => {
  test('is done at once and leaves no timer, while it primes and while it is patient', async () => {
    for (const more of [{ primeMs: 500, patienceMs: 100 }, { patienceMs: 100 }]) {
      const under = new PanelUnderTest('abc', 'firstAgree', more);
      expect(under.clock.pendingTimers).toBe(1);
      under.panel.close();
      await flush();
      expect([under.isDone, under.clock.pendingTimers]).toEqual([true, 0]);
    }
  });

  test('keeps votes that still come and tells of them, and asks nobody', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100, primeMs: 500 });
    await under.writes('a');
    under.panel.close();
    let told = 0;
    under.ballot.onVote = () => told++;
    await under.votes('a', 'flee');
    await under.fails('b');
    await under.writes('a');
    expect([told, under.ballot.votes.length, under.asked, under.clock.pendingTimers]).toEqual([1, 1, ['a', 'b'], 0]);
  });

  test('is what one is that has settled: no timer is left and nobody else is asked', async () => {
    const under = new PanelUnderTest('abcd', 'firstAgree', { patienceMs: 100 });
    await under.votes('a', 'flee');
    await under.votes('b', 'flee');
    expect(under.clock.pendingTimers).toBe(0);
    under.clock.advance(1_000);
    expect(under.asked).toEqual(['a', 'b']);
  });
});

test('a bug in asking is told to whoever waits, and leaves no timer', async () => {
  const under = new PanelUnderTest('ab', 'firstAgree', { patienceMs: 100 });
  const bug = new TypeError('a bug');
  await under.breaks('a', bug);
  await expect(under.panel.done).rejects.toBe(bug);
  expect(under.clock.pendingTimers).toBe(0);
});

test('a vote is told of before the panel ends with it', async () => {
  const under = new PanelUnderTest('a');
  let wasDone: boolean | undefined;
  under.ballot.onVote = () => {
    wasDone = under.isDone;
  };
  await under.votes('a', 'flee');
  expect([wasDone, under.isDone]).toEqual([false, true]);
});

describe('a choice that stands', () => {
  test('settles the panel with another one, a tenth of the time later where neither reason comes', async () => {
    const under = new PanelUnderTest('abc');
    await under.chooses('a', 'flee');
    await under.chooses('b', 'flee');
    expect([under.isDone, under.panel.verdict]).toEqual([false, { kind: 'settled', action: 'flee' }]);
    under.clock.advance(99);
    await flush();
    expect(under.isDone).toBe(false);
    under.clock.advance(1);
    await flush();
    expect([under.isDone, under.asked, under.ballot.votes]).toEqual([true, ['a', 'b'], []]);
    expect(under.ballot.standing.map(({ role, vote }) => `${role} ${vote.action}`)).toEqual(['a flee', 'b flee']);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('settles it at once where the action is known, and only there', async () => {
    const isDoneWith = async (known: string): Promise<boolean> => {
      const under = new PanelUnderTest('ab', 'firstAgree', { known });
      for (const expert of 'ab') await under.chooses(expert, 'flee');
      return under.isDone;
    };
    expect([await isDoneWith('flee'), await isDoneWith('block')]).toEqual([true, false]);
  });

  test('settles it at once with a vote that has a reason, before or after it', async () => {
    for (const order of ['vote first', 'choice first']) {
      const under = new PanelUnderTest('abc');
      if (order === 'choice first') await under.chooses('a', 'flee');
      await under.votes('b', 'flee');
      if (order === 'vote first') await under.chooses('a', 'flee');
      expect([order, under.isDone]).toEqual([order, true]);
      expect(under.clock.pendingTimers).toBe(0);
    }
  });

  test('asks one more as soon as it does not help, not when its reason has come', async () => {
    const under = new PanelUnderTest('abc');
    await under.chooses('a', 'flee');
    await under.chooses('b', 'block');
    expect(under.asked).toEqual(['a', 'b', 'c']);
  });

  test('settles nothing once it is withdrawn, and the time for reasons begins anew', async () => {
    const under = new PanelUnderTest('abc');
    await under.chooses('a', 'flee');
    await under.chooses('b', 'flee');
    under.clock.advance(90);
    await under.chooses('b', undefined);
    under.clock.advance(90);
    await flush();
    expect([under.isDone, under.panel.verdict]).toEqual([false, { kind: 'open', needed: 1 }]);
    await under.chooses('b', 'flee');
    under.clock.advance(90);
    await flush();
    expect(under.isDone).toBe(false);
    under.clock.advance(10);
    await flush();
    expect(under.isDone).toBe(true);
  });

  test('gives way to the whole answer, whatever that says', async () => {
    const under = new PanelUnderTest('abc');
    await under.chooses('a', 'flee');
    await under.votes('a', 'block');
    expect(under.ballot.standing.map(({ vote }) => vote.action)).toEqual(['block']);
  });

  test('is left by a call that is cut, and taken back by an answer without a vote', async () => {
    for (const [code, left] of [
      ['ERR_MODEL_RESET', ['flee']],
      ['ERR_MODEL_TIMEOUT_STREAM', ['flee']],
      ['ERR_WORKER_EXITED', ['flee']],
      ['ERR_VOTE_AMBIGUOUS', []],
      ['ERR_VOTE_ILLEGAL', []],
    ] as const) {
      const under = new PanelUnderTest('abc');
      await under.chooses('a', 'flee');
      await under.fails('a', code);
      expect([code, under.ballot.standing.map(({ vote }) => vote.action)]).toEqual([code, left]);
      // Of three that are asked at most, the one that is left is asked only where one more is needed.
      expect([code, under.asked.length]).toEqual([code, left.length === 0 ? 3 : 2]);
    }
  });

  test('waits for no reason that cannot come', async () => {
    const under = new PanelUnderTest('abc');
    await under.chooses('a', 'flee');
    await under.fails('a', 'ERR_MODEL_RESET');
    await under.chooses('b', 'flee');
    expect(under.isDone).toBe(false);
    await under.fails('b', 'ERR_MODEL_RESET');
    expect(under.isDone).toBe(true);
  });

  test('is heard while a synthesis runs: the panel says so when it is settled', async () => {
    const under = new PanelUnderTest('ab');
    let calls = 0;
    under.ballot.onVote = () => calls++;
    under.panel.stopAsking();
    await under.chooses('a', 'flee');
    await under.chooses('b', 'flee');
    expect(calls).toBe(0);
    under.clock.advance(100);
    await flush();
    expect(calls).toBe(1);
  });

  test('says nothing once its call has ended', async () => {
    const under = new PanelUnderTest('abc');
    await under.fails('a');
    await under.chooses('a', 'flee');
    expect(under.ballot.standing).toEqual([]);
  });

  test('is one of all where everyone is to be heard', async () => {
    const under = new PanelUnderTest('abc', 'all');
    await under.chooses('a', 'flee');
    await under.chooses('b', 'flee');
    await under.votes('c', 'block');
    under.clock.advance(99);
    await flush();
    expect(under.isDone).toBe(false);
    under.clock.advance(1);
    await flush();
    expect(under.isDone).toBe(true);
  });
});
