import { describe, expect, test } from 'vitest';
import { type Configured, type Reloaded, Reloader } from '../../../../src/main/service/config/reloader.ts';
import { flush } from '../../../support/drive.ts';

interface Read {
  readonly configured: Configured;
}

/** A reloader of a file that the test writes; `log` alone can be changed. */
function reloaderOf(first: Configured) {
  const told: Reloaded[] = [];
  const applied: Configured[] = [];
  let file: Configured | Error = first;
  let reads = 0;
  let gate: Promise<void> = Promise.resolve();
  const reloader = new Reloader<Read>(first, {
    read: async () => {
      reads++;
      const read = file;
      await gate;
      if (read instanceof Error) throw read;
      return { configured: read };
    },
    apply: async ({ configured }, changed) => {
      applied.push(configured);
      return changed.filter((key) => key.startsWith('log'));
    },
    tell: (reloaded) => told.push(reloaded),
  });
  return {
    reloader,
    told,
    applied,
    reads: () => reads,
    write: (next: Configured | Error) => {
      file = next;
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return held.resolve;
    },
  };
}

describe('a reload', () => {
  test('tells the keys that it put to use once, and those that need a restart each time', async () => {
    const under = reloaderOf({ log: { level: 'info' }, cache: { entries: 1 } });
    under.write({ log: { level: 'debug' }, cache: { entries: 2 } });
    for (let nth = 0; nth < 2; nth++) {
      under.reloader.request();
      await flush();
    }
    expect(under.told).toEqual([
      { kind: 'done', applied: ['log.level'], needRestart: ['cache.entries'] },
      { kind: 'done', applied: [], needRestart: ['cache.entries'] },
    ]);
    under.write({ log: { level: 'debug' }, cache: { entries: 1 } });
    under.reloader.request();
    await flush();
    expect(under.told.at(-1)).toEqual({ kind: 'done', applied: [], needRestart: [] });
  });

  test('that is refused applies nothing, and the next one is compared with what is in use', async () => {
    const under = reloaderOf({ log: { level: 'info' } });
    const error = new Error('not YAML');
    under.write(error);
    under.reloader.request();
    await flush();
    under.write({ log: { level: 'warn' } });
    under.reloader.request();
    await flush();
    expect(under.told).toEqual([
      { kind: 'refused', error },
      { kind: 'done', applied: ['log.level'], needRestart: [] },
    ]);
    expect(under.applied).toHaveLength(1);
  });

  test('asked for several times during one is made once more after it', async () => {
    const under = reloaderOf({ log: { level: 'info' } });
    const open = under.hold();
    under.reloader.request();
    for (let nth = 0; nth < 3; nth++) under.reloader.request();
    under.write({ log: { level: 'debug' } });
    open();
    await flush();
    expect(under.reads()).toBe(2);
    expect(under.told.at(-1)).toMatchObject({ applied: ['log.level'] });
  });

  test('that is under way when it is stopped puts nothing to use', async () => {
    const under = reloaderOf({ log: { level: 'info' } });
    const open = under.hold();
    under.write({ log: { level: 'debug' } });
    under.reloader.request();
    under.reloader.stop();
    open();
    await flush();
    under.reloader.request();
    await flush();
    expect([under.applied, under.told, under.reads()]).toEqual([[], [], 1]);
  });
});
