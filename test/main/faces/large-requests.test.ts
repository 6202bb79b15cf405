import { PassThrough } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { openStdioFace } from '../../../src/main/faces/socket/stdio-face.ts';
import { drive, flush } from '../../support/drive.ts';
import { request } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';
import { openFace, silentLog } from '../../support/open-face.ts';
import { RawClient } from '../../support/raw-client.ts';

/** Large requests at the ways in: they are read and checked in parts, and answered as short ones are. */
const ACTIONS = Array.from({ length: 20_000 }, (_, i) => `action ${i}`);
const BEST = 'action 17777';
const LARGE = request({
  actions: ACTIONS,
  qValues: Object.fromEntries(ACTIONS.map((name, i) => [name, i % 17_778])),
});
const INVALID = { ...LARGE, actions: [...ACTIONS.slice(1), 'action 5'] };
const TWICE = `actions[19999] must differ from actions[4], got "action 5"`;
const http = { bodyBytesMax: 24 * 2 ** 20 };
const script = () => ({ kind: 'answers', action: BEST }) as const;

describe('http', () => {
  test('answers a large request, as a body and as events, with its time and priority', async () => {
    await using at = await openFace({ script, http });
    const body = { ...LARGE, timeoutMs: 900, priority: 2 };
    const first = await drive(at.clock, at.post(body));
    expect(await first.json()).toMatchObject({ action: BEST, source: 'synthesis' });
    const events = await at.post({ ...body, agent: 'other' }, { accept: 'text/event-stream' });
    expect(await events.text()).toMatch(/^event: plan\ndata: .*"source":"cache"/);
    expect(await (await at.post({ ...body, agent: 'third' })).json()).toMatchObject({ source: 'cache', action: BEST });
  });

  test.each([
    ['an action twice', INVALID, TWICE],
    ['a time that is no number', { ...LARGE, timeoutMs: 'soon' }, 'timeoutMs must be'],
    ['an unknown member', { ...LARGE, more: 1 }, 'more is not a part of a request'],
    ['a list', [LARGE], 'request must be an object'],
  ])('refuses %s as in a short one', async (_, body, message) => {
    await using at = await openFace({ script, http });
    for (const accept of ['application/json', 'text/event-stream']) {
      const refused = await at.post(body, { accept });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({
        code: 'ERR_REQUEST_INVALID',
        detail: expect.stringContaining(message),
      });
    }
  });

  test('answers the largest request', async () => {
    await using at = await openFace({ script, http });
    const actions = Array.from({ length: 100_000 }, (_, i) => `action ${i}`);
    const qValues = Object.fromEntries(actions.map((name) => [name, name === BEST ? 1 : 0]));
    const plan = await drive(at.clock, at.post(request({ actions, qValues })));
    expect(await plan.json()).toMatchObject({ action: BEST, source: 'synthesis' });
  });

  test('refuses what is no JSON after so much of it', async () => {
    await using at = await openFace({ script, http });
    const refused = await at.post(`${JSON.stringify(LARGE)},`);
    expect([refused.status, await refused.json()]).toEqual([400, expect.objectContaining({ code: 'ERR_PROTOCOL' })]);
  });
});

describe.each(['socket', 'stdio'])('%s', (door) => {
  async function open(more: Parameters<typeof makeSocketFace>[0] = {}) {
    const under = await makeSocketFace({ script, ...more });
    const [input, output] = [new PassThrough(), new PassThrough()];
    const stdio = openStdioFace(under.planner, {}, { clock: under.clock, log: silentLog, version: '1', input, output });
    const client = await RawClient.connect(under.path);
    let heard = '';
    output.on('data', (piece: Buffer) => {
      heard += piece.toString();
    });
    const lines = async (count: number): Promise<unknown[]> => {
      if (door === 'socket') return Promise.all(Array.from({ length: count }, () => client.next()));
      while (heard.split('\n').length <= count) await flush();
      return heard
        .split('\n')
        .splice(0, count)
        .map((line) => JSON.parse(line) as unknown);
    };
    return {
      ...under,
      lines,
      end: () => void (door === 'socket' ? client.socket.destroy() : input.destroy()),
      drain: () => (door === 'socket' ? under.face.drain() : stdio.drain()),
      say: (...messages: readonly unknown[]) => {
        for (const each of messages) {
          const line = `${typeof each === 'string' ? each : JSON.stringify(each)}\n`;
          if (door === 'socket') client.socket.write(line);
          // In pieces, as a pipe is read.
          else for (let at = 0; at < line.length; at += 65_536) input.write(line.slice(at, at + 65_536));
        }
      },
      [Symbol.asyncDispose]: async () => {
        await stdio.close();
        client[Symbol.dispose]();
        await under[Symbol.asyncDispose]();
      },
    };
  }
  const call = (id: number | undefined, method: string, params?: unknown) => ({
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    method,
    ...(params === undefined ? {} : { params }),
  });

  test('answers large requests, also of a peek and in a batch, and what comes after them after them', async () => {
    await using at = await open();
    at.say(call(1, 'peek', LARGE), call(2, 'plan', { ...LARGE, timeoutMs: 900, priority: 1 }), call(3, 'ping'));
    expect(await drive(at.clock, at.lines(3))).toMatchObject([
      { id: 1, result: null },
      { id: 3, result: 'pong' },
      { id: 2, result: { action: BEST, source: 'synthesis' } },
    ]);
    await using next = await open({ script });
    next.say([call(4, 'plan', LARGE), call(5, 'peek', LARGE), call(6, 'plan', INVALID), call(7, 'nothing')]);
    expect(await drive(next.clock, next.lines(1))).toMatchObject([
      [
        { id: 5, result: null },
        { id: 6, error: { message: TWICE, data: { code: 'ERR_REQUEST_INVALID' } } },
        { id: 7, error: { data: { code: 'ERR_METHOD_UNKNOWN' } } },
        { id: 4, result: { action: BEST } },
      ],
    ]);
  });

  test('refuses what is wrong with them under their ids, and lives', async () => {
    await using at = await open();
    at.say(
      call(1, 'plan', INVALID),
      call(2, 'peek', INVALID),
      call(3, 'plan', { ...LARGE, progress: 1 }),
      call(4, 'peek', { ...LARGE, timeoutMs: 1 }),
      call(5, 'plan', [LARGE]),
      `${JSON.stringify(call(6, 'plan', LARGE))},`,
      call(undefined, 'plan', INVALID),
      call(7, 'ping'),
    );
    const invalid = { code: 'ERR_REQUEST_INVALID' };
    expect(await at.lines(7)).toMatchObject([
      { id: 1, error: { message: TWICE, data: invalid } },
      { id: 2, error: { message: TWICE, data: invalid } },
      { id: 3, error: { message: 'progress must be true or false, got 1', data: invalid } },
      { id: 4, error: { message: expect.stringContaining('timeoutMs is not a part of a request'), data: invalid } },
      { id: 5, error: { message: expect.stringContaining('request must be an object'), data: invalid } },
      { id: null, error: { code: -32700, data: { code: 'ERR_PROTOCOL' } } },
      { id: 7, result: 'pong' },
    ]);
  });

  test('cancels one that is cancelled in the next line', async () => {
    await using at = await open({ script: () => ({ kind: 'stuck' }) });
    at.say(call(1, 'plan', LARGE), call(undefined, '$/cancel', { id: 1 }));
    expect(await at.lines(1)).toMatchObject([{ id: 1, error: { data: { code: 'ERR_PLAN_CANCELLED' } } }]);
  });

  test('begins no plan for a client that has left, and a drain waits for one that has not', async () => {
    await using gone = await open();
    gone.say(call(1, 'plan', LARGE));
    await flush();
    gone.end();
    await gone.drain();
    expect(gone.planner.stats().plans).toMatchObject({ settled: 0, inFlight: 0 });
    await using at = await open();
    const run = vi.spyOn(at.planner.longWork, 'run');
    at.say(call(1, 'plan', LARGE));
    while (run.mock.calls.length === 0) await new Promise(setImmediate);
    const [answers] = await Promise.all([drive(at.clock, at.lines(1)), at.drain()]);
    expect(answers).toMatchObject([{ id: 1, error: { data: { code: 'ERR_PLANNER_CLOSED' } } }]);
  });
});
