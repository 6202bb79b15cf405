import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/shared/random.ts';
import { FAULT_NAMES, type FaultServer, seededMixture, startFaultServer } from './fault-server.ts';

/** The fault server itself: what it says when it is well, and that its fates are the seed's. */
const PATIENCE_MS = 10_000;
const PROMPT = 'SITUATION\nlocation: cell 7\n\nACTIONS\n1. attack\n2. block\n3. retreat\n\nANSWER\nThe number.';

function chat(server: FaultServer, more: object = {}, signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: PROMPT }], stream: true, ...more });
  return fetch(`${server.baseURL}/chat/completions`, { method: 'POST', body, ...(signal ? { signal } : {}) });
}

/** The content of a streamed answer. */
async function contentOf(response: Response): Promise<string> {
  const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
  return events.map((event) => JSON.parse(event.slice(6)).choices[0]?.delta.content ?? '').join('');
}

/** How so many requests end, one after the other. */
async function fates(seed: number, count: number): Promise<(string | number)[]> {
  await using server = await startFaultServer({ seed, tokenMs: 0 });
  await server.play([
    { fault: 'fast-503', share: 0.3 },
    { fault: 'invalid-id-string', share: 0.2 },
    { fault: 'reset-mid-body', share: 0.1 },
  ]);
  const ends: (string | number)[] = [];
  for (let index = 0; index < count; index++) {
    const response = await chat(server);
    ends.push(
      await response.text().then(
        () => response.status,
        () => 'reset',
      ),
    );
  }
  return ends;
}

/** Whether a connection is made and closed by the other side, made and left, or neither. */
function connection(port: number, waitMs: number): Promise<'made' | 'refused' | 'unanswered'> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (how: 'made' | 'refused' | 'unanswered') => (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(how);
    };
    const timer = setTimeout(end('unanswered'), waitMs);
    socket.once('connect', end('made'));
    socket.once('error', end('refused'));
  });
}

test('well, it lists models and answers with the number of an action, or in JSON by a schema', async () => {
  await using server = await startFaultServer({ seed: 1 });
  const list = (await (await fetch(`${server.baseURL}/models`)).json()) as { data: { id: string }[] };
  expect(list.data.map(({ id }) => id)).toContain('m');
  const content = await contentOf(await chat(server));
  expect(content).toMatch(/^[123]\nIt suits this moment\.\n$/);
  expect(await contentOf(await chat(server))).toBe(content);
  const json = await contentOf(await chat(server, { response_format: { type: 'json_schema' } }));
  expect(JSON.parse(json)).toMatchObject({ choice: Number(content[0]) });
  const whole = (await (await chat(server, { stream: false })).json()) as { choices: { message: unknown }[] };
  expect(whole.choices[0]?.message).toEqual({ role: 'assistant', content });
});

test('fates are drawn by the seed and by their shares', async () => {
  const first = await fates(5, 100);
  expect(await fates(5, 100)).toEqual(first);
  expect(await fates(6, 100)).not.toEqual(first);
  const of = (end: string | number): number => first.filter((other) => other === end).length;
  expect(of(503)).toBeGreaterThan(of('reset'));
  expect([of(200), of(400), of('reset')].every((count) => count > 0)).toBe(true);
});

test('mixtures leave a part of the requests well', () => {
  const random = seededRandom(3);
  for (let index = 0; index < 500; index++) {
    const mixture = seededMixture(random);
    expect(new Set(mixture.map(({ fault }) => fault)).size).toBe(mixture.length);
    expect(mixture.every(({ fault, share }) => FAULT_NAMES.includes(fault) && share > 0)).toBe(true);
    expect(mixture.reduce((sum, { share }) => sum + share, 0)).toBeLessThanOrEqual(0.8 + 1e-9);
  }
});

test('refused and black hole end with heal, on the same port', { timeout: 2 * PATIENCE_MS }, async () => {
  await using server = await startFaultServer({ seed: 1 });
  const { port } = server;
  await server.play('refused');
  expect(await connection(port, PATIENCE_MS)).toBe('refused');
  await server.play('black-hole');
  // Elsewhere the kernel may make a connection that nobody reads.
  if (process.platform === 'linux') expect(await connection(port, 200)).toBe('unanswered');
  await server.heal();
  expect(await connection(port, PATIENCE_MS)).toBe('made');
  expect(server.port).toBe(port);
  expect((await chat(server)).status).toBe(200);
});

test('a slot is held to the end of an answer whose client has gone, until the server is healed', async () => {
  await using server = await startFaultServer({ seed: 1, slots: 1, scale: 1 });
  await server.play('abort-ignored');
  const controller = new AbortController();
  await chat(server, {}, controller.signal);
  controller.abort();
  await expect.poll(() => server.stats().cancelled, { timeout: PATIENCE_MS }).toBe(1);
  const second = new AbortController();
  const waiting = chat(server, {}, second.signal).then(
    () => 'answered',
    () => 'given up',
  );
  await expect.poll(() => server.stats().openRequests, { timeout: PATIENCE_MS }).toBe(1);
  expect(server.stats()).toMatchObject({ slotsRunning: 1, slotsWaiting: 1 });
  second.abort();
  expect(await waiting).toBe('given up');
  await server.heal();
  expect(await contentOf(await chat(server))).toMatch(/^[123]\n/);
});

test('a load holds up every request until it is over, and is over once', async () => {
  await using server = await startFaultServer({ seed: 1, scale: 0.002 });
  await server.play('cold-load');
  const calledAt = performance.now();
  await Promise.all([chat(server), chat(server)].map(async (response) => contentOf(await response)));
  expect(performance.now() - calledAt).toBeGreaterThanOrEqual(119);
  expect(await contentOf(await chat(server))).toMatch(/^[123]\n/);
});

test('episodes follow one another', async () => {
  await using server = await startFaultServer({ seed: 1, tokenMs: 0 });
  const sick = { forMs: 50, faults: [{ fault: 'fast-503', share: 1 }] } as const;
  await server.play({ episodes: [sick, { forMs: 50, faults: [] }] });
  const statuses = new Set<number>();
  const seeing = async (): Promise<number> => {
    statuses.add((await chat(server)).status);
    return statuses.size;
  };
  await expect.poll(seeing, { timeout: PATIENCE_MS, interval: 5 }).toBe(2);
});

test('tells which requests were given up, by the label in their prompt', async () => {
  await using server = await startFaultServer({ seed: 1 });
  await server.play('accepted-silent');
  const controller = new AbortController();
  const arrived = server.arrivals(1);
  const call = chat(server, {}, controller.signal).catch(() => 'given up');
  await arrived;
  controller.abort();
  expect(await call).toBe('given up');
  await expect.poll(() => server.stats().cancelled, { timeout: PATIENCE_MS }).toBe(1);
  const [cancelled] = server.takeCancelled();
  expect(cancelled?.label).toBe('cell 7');
  expect(cancelled?.closedAtMs).toBeGreaterThanOrEqual(cancelled?.arrivedAtMs ?? Number.NaN);
  expect(server.takeCancelled()).toEqual([]);
});
