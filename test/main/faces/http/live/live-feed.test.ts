import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { LiveFeed } from '../../../../../src/main/faces/http/live/live-feed.ts';
import { Monitor } from '../../../../../src/main/monitor/monitor.ts';
import { flush } from '../../../../support/drive.ts';
import { makePlanner, type PlannerUnderTest } from '../../../../support/make-planner.ts';

const ABOUT = { version: '1.2.3', domain: 'test', samplesMax: 600 };

interface FeedUnderTest extends AsyncDisposable {
  readonly under: PlannerUnderTest;
  readonly monitor: Monitor;
  readonly feed: LiveFeed;
}

async function makeFeed(): Promise<FeedUnderTest> {
  const under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
  const monitor = new Monitor(under.planner, under.clock);
  const feed = new LiveFeed(monitor, ABOUT, under.clock);
  return {
    under,
    monitor,
    feed,
    async [Symbol.asyncDispose]() {
      feed.close();
      monitor.dispose();
      await under.planner.close();
    },
  };
}

/** Names of the events that are there to be read now. */
async function read(stream: Readable): Promise<string[]> {
  await flush();
  let text = '';
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
    text += chunk;
    await flush();
  }
  return [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name as string);
}

test('who reads is told of each sample', async () => {
  await using made = await makeFeed();
  const stream = made.feed.open();
  expect(await read(stream)).toEqual(['snapshot']);
  for (let second = 0; second < 3; second++) {
    made.under.clock.advance(1_000);
    expect(await read(stream)).toEqual(['sample']);
  }
});

test('who does not read holds a bounded buffer, and then begins anew with all there is', async () => {
  await using made = await makeFeed();
  const stream = made.feed.open();
  await read(stream);
  for (let second = 0; second < 200; second++) {
    made.under.clock.advance(1_000);
    await flush();
  }
  const bytes = stream.readableLength;
  expect(bytes).toBeLessThan(80_000);
  const late = await read(stream);
  expect(late.length).toBeLessThan(100);
  expect(late.indexOf('snapshot')).toBe(late.length - 1);
  made.under.clock.advance(1_000);
  expect(await read(stream)).toEqual(['sample']);
});

test('a slow client does not hold up another one', async () => {
  await using made = await makeFeed();
  made.feed.open();
  const stream = made.feed.open();
  await read(stream);
  for (let second = 0; second < 100; second++) {
    made.under.clock.advance(1_000);
    expect(await read(stream)).toEqual(['sample']);
  }
});

test('one page too many is refused while all are new, and one that is closed makes room', async () => {
  await using made = await makeFeed();
  const [first] = Array.from({ length: 64 }, () => made.feed.open());
  expect(() => made.feed.open()).toThrow('64 pages are open');
  first?.destroy();
  await flush();
  expect(made.feed.clients).toBe(63);
  made.feed.open();
});

test('64 pages that never read keep nobody out', async () => {
  await using made = await makeFeed();
  const silent = Array.from({ length: 64 }, () => made.feed.open());
  made.under.clock.advance(10_000);
  const streams = Array.from({ length: 64 }, () => made.feed.open());
  expect(made.feed.clients).toBe(64);
  expect(silent.every((stream) => stream.destroyed)).toBe(true);
  for (const stream of streams) expect(await read(stream)).toEqual(['snapshot']);
});

test('of old pages, one that does not read gives way before those that do, and then the oldest', async () => {
  await using made = await makeFeed();
  const pages = Array.from({ length: 64 }, () => made.feed.open());
  const [oldest, , silent] = pages;
  for (const page of pages) await read(page);
  for (let second = 0; second < 40; second++) {
    made.under.clock.advance(1_000);
    await flush();
    for (const page of pages) if (page !== silent) await read(page);
  }
  made.feed.open();
  expect([silent?.destroyed, oldest?.destroyed]).toEqual([true, false]);
  made.feed.open();
  expect([pages[1]?.destroyed, oldest?.destroyed]).toEqual([false, true]);
});

test('closed, it ends every stream, opens none, and listens to nothing', async () => {
  await using made = await makeFeed();
  const stream = made.feed.open();
  const ended = new Promise((resolve) => stream.once('end', resolve));
  await read(stream);
  made.feed.close();
  stream.resume();
  await ended;
  expect(() => made.feed.open()).toThrow('closing');
  expect(made.monitor.listenerCount('sample')).toBe(0);
});
