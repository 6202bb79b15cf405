import { expect, it } from 'vitest';
import { clusterNames } from '../../../../src/main/cluster/engine/engine.ts';
import { functionLibrary } from '../../../../src/main/cluster/engine/function-library.ts';
import { RedisEngine } from '../../../../src/main/cluster/engine/redis-engine.ts';
import type { EngineLink, OpenLink } from '../../../../src/main/cluster/engine/redis-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const library = functionLibrary([]);

function engineWith(open: OpenLink): { readonly engine: RedisEngine; readonly clock: FakeClock } {
  const clock = new FakeClock();
  const parts = { url: 'redis://engine', node: 'a', names: clusterNames('test'), library, clock };
  return { engine: new RedisEngine({ ...parts, random: { next: () => 0 }, open }), clock };
}

/** A link that answers as an engine would, until `cut` is called. */
class FakeLink implements EngineLink {
  isClosed = false;
  onLost: (cause: Error) => void = () => {};
  readonly #cut = Promise.withResolvers<never>();
  readonly subscribes: boolean;

  constructor(subscribes: boolean) {
    this.subscribes = subscribes;
    this.#cut.promise.catch(() => {});
  }

  async send([command]: readonly (string | Buffer)[]) {
    return command === 'INFO' ? Buffer.from('redis_version:7.0.15\r\n') : null;
  }

  async subscribe() {
    if (!this.subscribes) await this.#cut.promise;
  }

  announce() {
    return this.subscribe();
  }

  unsubscribe() {}
  async beat() {}

  cut() {
    const error = new Error('cut');
    this.#cut.reject(error);
    this.onLost(error);
  }

  close() {
    this.isClosed = true;
  }
}

it('closes every connection, also if one is lost while a channel is added to it', async () => {
  const links: FakeLink[] = [];
  const { engine, clock } = engineWith(async () => {
    const link = new FakeLink(links.length > 0);
    links.push(link);
    return link;
  });
  const started = engine.start().catch((error: Error) => error.message);
  await turns();
  engine.listen('news', () => {});
  links[0]?.cut();
  expect(await started).toMatch(/cut/);
  for (let i = 0; i < 4; i++) {
    clock.advance(100);
    await turns();
  }
  expect(engine.isUp).toBe(true);
  engine.close();
  expect(links.map(({ isClosed }) => isClosed)).toEqual([true, true]);
});

it('ends an attempt to connect when it is closed', async () => {
  const opened = Promise.withResolvers<AbortSignal>();
  const { engine, clock } = engineWith((_, signal) => {
    opened.resolve(signal);
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const started = engine.start().catch((error: Error) => error.message);
  const signal = await opened.promise;
  engine.close();
  expect(signal.aborted).toBe(true);
  expect(await started).toMatch(/closed/);
  expect(clock.pendingTimers).toBe(0);
});

async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
