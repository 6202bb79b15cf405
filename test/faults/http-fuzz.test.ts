import { Pool } from 'undici';
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/shared/errors.ts';
import { forkRandom, pick } from '../../src/shared/random.ts';
import { request } from '../support/make-planner.ts';
import { mutate } from '../support/mutate.ts';
import { type FaceUnderTest, openFace, RawConnection, rawPlan } from '../support/open-face.ts';

/** The whole number is 100,000. `FUZZ_SEED` replays a run. */
const BODIES = Number(process.env.FUZZ_BODIES ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 2_026);
/** Whole requests as bytes, each on a connection of its own. */
const REQUESTS = Math.ceil(BODIES / 8);
const AT_ONCE = 16;

const SEEDS: readonly Buffer[] = [
  request(),
  { ...request(), timeoutMs: 5, priority: -1, qValues: { attack: 1, block: -0.5 } },
  request({ agent: 'é 你 \u{1f600}', actions: ['\u2028', '"', '\\'] }),
].map((body) => Buffer.from(JSON.stringify(body)));

/** A plan, or a problem with a code of the table and the status that it is sent with. */
function checkAnswer(status: number, type: string, text: string): void {
  const body = JSON.parse(text);
  if (status === 200) return expect(body).toMatchObject({ action: expect.any(String), source: expect.any(String) });
  expect(type).toContain('application/problem+json');
  expect(body).toMatchObject({ type: 'about:blank', status, retryable: expect.any(Boolean) });
  expect(Object.keys(ERROR_CODES)).toContain(body.code);
  expect(body.code).not.toBe('ERR_INTERNAL');
  expect(body.detail.length).toBeLessThan(1_000);
}

/** Lets the fake time go on, so that what turns out to be a request is planned. */
function goOn(at: FaceUnderTest): Disposable {
  let isOver = false;
  const step = (): void => {
    if (isOver) return;
    at.clock.advance(1);
    setImmediate(step);
  };
  step();
  return {
    [Symbol.dispose]() {
      isOver = true;
    },
  };
}

/** Someone else, who asks the same all the while. */
async function bystand(at: FaceUnderTest, isOver: () => boolean): Promise<number> {
  let served = 0;
  while (!isOver()) {
    const response = await at.post(request({ agent: 'bystander' }));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ agent: 'bystander', action: 'block' });
    served++;
    await new Promise(setImmediate);
  }
  return served;
}

/** `each` for every number, some at once; then the bystander's count. */
async function storm(at: FaceUnderTest, count: number, each: (index: number) => Promise<void>): Promise<number> {
  using _ = goOn(at);
  let isOver = false;
  const bystander = bystand(at, () => isOver);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } finally {
    isOver = true;
  }
  return bystander;
}

const face = () =>
  openFace({
    script: () => ({ kind: 'answers', action: 'block' }),
    planner: { features: {}, cache: { loopGuard: false, checkShare: 0 } },
  });

test(`each of ${BODIES} mutated bodies is answered with a plan or a coded problem (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + BODIES * 20,
}, async () => {
  await using at = await face();
  const pool = new Pool(at.face.address, { connections: AT_ONCE });
  const statuses = new Map<number, number>();
  const served = await storm(at, BODIES, async (index) => {
    const random = forkRandom(SEED, `body ${index}`);
    const body = mutate(random, pick(random, SEEDS));
    const headers = { 'content-type': 'application/json' };
    const response = await pool.request({ path: '/v1/plans', method: 'POST', headers, body });
    statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1);
    const text = await response.body.text();
    try {
      checkAnswer(response.statusCode, String(response.headers['content-type']), text);
    } catch (cause) {
      throw new Error(`body ${index} of FUZZ_SEED=${SEED}: ${JSON.stringify(body.toString('latin1'))} → ${text}`, {
        cause,
      });
    }
  });
  await pool.destroy();
  expect(served).toBeGreaterThan(0);
  expect(statuses.get(400)).toBeGreaterThan(BODIES / 2);
  expect([...statuses.keys()].every((status) => status === 200 || status === 400)).toBe(true);
  expect(at.planner.stats().plans.inFlight).toBe(0);
});

test(`each of ${REQUESTS} mutated requests is answered or cut off, and the process lives (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + REQUESTS * 40,
}, async () => {
  await using at = await face();
  const seeds = [
    rawPlan(),
    rawPlan(undefined, ['accept: text/event-stream;q=0.9, */*;q=0.1']),
    rawPlan(undefined, ['origin: http://evil.example', 'transfer-encoding: chunked']),
    Buffer.from('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    Buffer.from('DELETE /v1/stats?x=%zz HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \xff\r\n\r\n', 'latin1'),
  ];
  const served = await storm(at, REQUESTS, async (index) => {
    const random = forkRandom(SEED, `request ${index}`);
    const bytes = mutate(random, pick(random, seeds));
    using client = await RawConnection.open(at.port);
    client.socket.end(bytes);
    await client.ended;
    for (const [, status] of client.received.matchAll(/HTTP\/1\.1 (\d\d\d) /g)) {
      const told = `request ${index} of FUZZ_SEED=${SEED}: ${JSON.stringify(bytes.toString('latin1'))} → ${status}`;
      expect([200, 204, 400, 403, 404, 405, 408, 413, 415, 417, 431, 505], told).toContain(Number(status));
    }
  });
  expect(served).toBeGreaterThan(0);
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(0);
  expect((await at.call('/healthz')).status).toBe(200);
});
