import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { type HttpFace, openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import type { Series } from '../../../../src/main/monitor/series.ts';
import { drive } from '../../../support/drive.ts';
import { makePlanner, type PlannerUnderTest, request } from '../../../support/make-planner.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

interface Served extends AsyncDisposable {
  readonly under: PlannerUnderTest;
  readonly face: HttpFace;
}

async function serve(token?: string): Promise<Served> {
  const under = await makePlanner(() => ({ kind: 'answers', action: 'block', afterMs: 5 }));
  const { planner, clock } = under;
  const options = { port: 0, ...(token === undefined ? {} : { token }) };
  const face = await openHttpFace(planner, options, { clock, log, version: '1.2.3' });
  return {
    under,
    face,
    async [Symbol.asyncDispose]() {
      await face.close();
      await planner.close();
    },
  };
}

interface LiveEvent {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test looks for
  readonly data: any;
}

/** The events of a stream as they come. */
async function* events(address: string, headers: Record<string, string> = {}): AsyncGenerator<LiveEvent> {
  const response = await fetch(`${address}/v1/live`, { headers });
  expect(response.status).toBe(200);
  let rest = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const [event = '', data = ''] = block.split('\n').map((line) => line.replace(/^\w+: /, ''));
      yield { event, data: JSON.parse(data) };
    }
  }
}

async function next(stream: AsyncGenerator<LiveEvent>): Promise<LiveEvent> {
  const { value, done } = await stream.next();
  if (done) throw new Error('the stream has ended');
  return value;
}

test('every file that the page names is there, with its type, and nothing is loaded from elsewhere', async () => {
  await using served = await serve();
  const { address } = served.face;
  const page = await (await fetch(`${address}/`)).text();
  const named = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(10);
  for (const path of named) {
    expect(path).toMatch(/^\/page\//);
    const response = await fetch(`${address}${path}`);
    expect([path, response.status, response.headers.get('x-content-type-options')]).toEqual([path, 200, 'nosniff']);
    expect(response.headers.get('content-type')).toMatch(
      /^(?:text\/(?:css|javascript); charset=utf-8|image\/svg\+xml)$/,
    );
    if (path.endsWith('.js') && !path.endsWith('uplot.js')) {
      for (const [, imported] of (await response.text()).matchAll(/^import .* from '\.(\/.*)';$/gm)) {
        expect(named).toContain(`/page${imported}`);
      }
    }
  }
});

test('the page runs nothing that is inline and is framed by nobody', async () => {
  await using served = await serve();
  const response = await fetch(`${served.face.address}/`);
  const policy = response.headers.get('content-security-policy');
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(await response.text()).not.toMatch(/<style|<script>| style=| on\w+=/);
});

test('a file that did not change is not sent again, and is sent plain to who takes no gzip', async () => {
  await using served = await serve();
  const url = `${served.face.address}/page/uplot.js`;
  const first = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
  expect(first.headers.get('content-encoding')).toBe('gzip');
  expect(Number(first.headers.get('content-length'))).toBeLessThan(30_000);
  const etag = first.headers.get('etag') ?? '';
  const again = await fetch(url, { headers: { 'if-none-match': etag } });
  expect([again.status, (await again.text()).length]).toEqual([304, 0]);
  for (const encoding of ['identity', 'gzip;q=0, identity']) {
    const plain = await fetch(url, { headers: { 'accept-encoding': encoding } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect((await plain.text()).length).toBe((await first.clone().text()).length);
  }
});

test('the stream begins with all there is, and tells each second what changed', async () => {
  await using served = await serve();
  const { planner, clock } = served.under;
  await drive(clock, planner.plan(request()));
  clock.advance(1_000);
  const stream = events(served.face.address);
  const snapshot = await next(stream);
  expect(snapshot.event).toBe('snapshot');
  expect(snapshot.data).toMatchObject({
    about: { version: '1.2.3', domain: 'test', samplesMax: 600 },
    series: { plans: [1] },
    plans: [{ id: 1, action: 'block', attempts: [{ role: 'one' }, { role: 'two' }, { step: 'synthesis' }] }],
    falseHits: { checked: 0, rate: null },
  });
  expect(snapshot.data.stats).toEqual(JSON.parse(JSON.stringify(planner.stats())));
  await planner.plan(request({ agent: 'other' }));
  clock.advance(1_000);
  const sample = await next(stream);
  expect(sample.event).toBe('sample');
  expect(sample.data).toMatchObject({
    row: { plans: [1], hits: [1] },
    plans: [{ id: 2, source: 'cache' }],
    stats: { plans: { settled: 2 } },
  });
  const rows: Series = sample.data.row;
  expect(Object.keys(rows).sort()).toEqual(Object.keys(snapshot.data.series).sort());
  await stream.return(undefined);
});

test('data needs the token, the files do not', async () => {
  await using served = await serve('a-token-of-enough-letters');
  const { address } = served.face;
  expect((await fetch(`${address}/`)).status).toBe(200);
  expect((await fetch(`${address}/page/page.js`)).status).toBe(200);
  const refused = await fetch(`${address}/v1/live`);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([401, 'ERR_UNAUTHORIZED']);
  const stream = events(address, { authorization: 'Bearer a-token-of-enough-letters' });
  expect((await next(stream)).event).toBe('snapshot');
  await stream.return(undefined);
});

test('streams end when the face drains, and the monitor is gone', async () => {
  await using served = await serve();
  const { planner, clock } = served.under;
  const stream = events(served.face.address);
  await next(stream);
  expect(planner.listenerCount('plan')).toBe(1);
  await served.face.drain();
  expect(await stream.next()).toEqual({ value: undefined, done: true });
  expect(planner.listenerCount('plan')).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test('a client that goes away is forgotten, and one too many is refused', async () => {
  await using served = await serve();
  const url = `${served.face.address}/v1/live`;
  const controllers = Array.from({ length: 64 }, () => new AbortController());
  const opened = await Promise.all(controllers.map(({ signal }) => fetch(url, { signal })));
  expect(opened.every(({ status }) => status === 200)).toBe(true);
  const refused = await fetch(url);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([429, 'ERR_CLIENT_LIMIT']);
  for (const controller of controllers) controller.abort();
  await vi.waitFor(
    async () => {
      const response = await fetch(url);
      await response.body?.cancel();
      expect(response.status).toBe(200);
    },
    { timeout: 30_000, interval: 50 },
  );
}, 60_000);

test('of ten minutes at full, with a hundred plans, the first view is below 150 kB', async () => {
  await using served = await serve();
  const { planner, clock } = served.under;
  for (let i = 0; i < 620; i++) {
    if (i >= 500) await drive(clock, planner.plan(request({ observation: { place: `place ${i}`, health: i % 100 } })));
    clock.advance(1_000);
  }
  const { address } = served.face;
  const page = await (await fetch(`${address}/`)).text();
  const paths = ['/', ...[...page.matchAll(/(?:src|href)="(\/[^"#]+)"/g)].map(([, path]) => path as string)];
  let bytes = 0;
  for (const path of new Set(paths)) {
    const { headers } = await fetch(`${address}${path}`, { headers: { 'accept-encoding': 'gzip' } });
    bytes += Number(headers.get('content-length')) + 700;
  }
  const live = await firstBytes(address);
  const [, data = ''] = gunzipSync(live, { finishFlush: 2 }).toString().split('data: ');
  const snapshot = JSON.parse(data);
  expect([snapshot.series.atMs.length, snapshot.plans.length]).toEqual([600, 100]);
  expect(bytes + live.length).toBeLessThan(150_000);
});

/** The compressed bytes of the first event. */
async function firstBytes(address: string): Promise<Buffer> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /v1/live HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept-Encoding: gzip\r\n\r\n`);
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    const body = unchunked(received);
    // A flush of zlib ends with an empty block.
    if (body.length > 1_000 && body.subarray(-4).equals(Buffer.from([0, 0, 0xff, 0xff]))) {
      socket.destroy();
      return body;
    }
  }
  throw new Error('the stream has ended');
}

function unchunked(answer: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = answer.indexOf('\r\n\r\n') + 4; ; ) {
    const end = answer.indexOf('\r\n', at);
    if (end < 0) return Buffer.concat(parts);
    const length = Number.parseInt(answer.subarray(at, end).toString(), 16);
    parts.push(answer.subarray(end + 2, end + 2 + length));
    at = end + 4 + length;
  }
}
