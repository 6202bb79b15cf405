import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { STATUS_OF } from '../../../../src/main/faces/http/problem.ts';
import { prefersEvents } from '../../../../src/main/faces/http/wire/accept.ts';
import { ERROR_CODES } from '../../../../src/shared/errors.ts';
import { drive } from '../../../support/drive.ts';
import { request } from '../../../support/make-planner.ts';
import { openFace, RawConnection, rawPlan } from '../../../support/open-face.ts';

describe('Accept', () => {
  test.each([
    [undefined, false],
    ['', false],
    ['*/*', false],
    ['application/json', false],
    ['text/event-stream', true],
    ['Text/Event-Stream', true],
    ['text/event-stream; charset=utf-8', true],
    ['text/event-stream, */*', true],
    ['text/event-stream, application/json', true],
    ['application/json, text/event-stream', false],
    ['application/json;q=0.9, text/event-stream', true],
    ['text/event-stream;q=0.5, application/json;q=0.6', false],
    ['text/event-stream;q=0.5, application/*;q=0.6', false],
    ['text/event-stream;q=0.5, */*;q=0.6', false],
    ['text/event-stream;q=0', false],
    ['text/event-stream;q=0, */*', false],
    ['text/event-stream;q=x', false],
    ['text/html, text/event-stream ; q=0.1', true],
  ])('%j: events %s', (accept, isEvents) => {
    expect(prefersEvents(accept)).toBe(isEvents);
  });
});

test('every code has a status that fits what a caller can do', () => {
  expect(Object.keys(STATUS_OF).sort()).toEqual(Object.keys(ERROR_CODES).sort());
  for (const status of Object.values(STATUS_OF)) expect(status).toBeGreaterThanOrEqual(400);
});

test('a client that does not read its events has no more kept for it than the bound', async () => {
  await using at = await openFace();
  const attempt = {
    step: 'expert' as const,
    model: 'e',
    endpoint: 'fake',
    code: 'OK' as const,
    startMs: 0,
    waitMs: 0,
    latencyMs: 1,
  };
  const heard = Promise.withResolvers<(message: string) => void>();
  at.planner.planNow = (_, options) => {
    heard.resolve((message) => options?.onAttempt?.({ ...attempt, message }));
    return new Promise(() => {});
  };
  using client = await RawConnection.open(at.port);
  client.socket.pause();
  client.socket.write(rawPlan(undefined, ['accept: text/event-stream']));
  const tell = await heard.promise;
  const before = process.memoryUsage().external;
  for (let i = 0; i < 2_000; i++) tell('x'.repeat(100_000));
  expect(process.memoryUsage().external - before).toBeLessThan(50_000_000);
  client.socket.resume();
  await client.ended;
  expect(client.received.length).toBeLessThan(20_000_000);
});

describe('the log', () => {
  const logged = async (level: string, ask: (at: Awaited<ReturnType<typeof openFace>>) => Promise<unknown>) => {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    await using at = await openFace({ log, http: { token: 'top-secret' } });
    await ask(at);
    return lines;
  };
  const authorization = 'Bearer top-secret';

  test('has the plan and its request for those who debug, and never the token', async () => {
    const lines = await logged('debug', async (at) => {
      await (await drive(at.clock, at.post(request(), { authorization }))).text();
      await at.call('/v1/stats', { headers: { authorization: 'Bearer wrong-secret' } });
    });
    const plan = lines.find(({ msg }) => msg === 'plan served');
    expect(plan).toMatchObject({ planId: 1, source: 'synthesis', requestId: expect.any(String) });
    const answered = lines.filter(({ msg }) => msg === 'request answered');
    expect(answered).toMatchObject([
      { method: 'POST', url: '/v1/plans', status: 200, requestId: plan?.requestId },
      { method: 'GET', url: '/v1/stats', status: 401 },
    ]);
    expect(JSON.stringify(lines)).not.toContain('-secret');
  });

  test('has nothing of a plan, or of a request that is refused, at info', async () => {
    const lines = await logged('info', async (at) => {
      await drive(at.clock, at.post(request(), { authorization }));
      await at.post('{', { authorization });
      await at.call('/nowhere');
    });
    expect(lines.filter(({ msg }) => !/listening/i.test(String(msg)))).toEqual([]);
  });

  test('has what is a bug, whose text the caller is given too', async () => {
    const lines = await logged('warn', async (at) => {
      at.planner.planNow = () => {
        throw new TypeError('x is not a function');
      };
      const response = await at.post(request(), { authorization });
      expect(response.status).toBe(500);
      expect(await response.json()).toMatchObject({ code: 'ERR_INTERNAL', detail: 'TypeError: x is not a function' });
    });
    expect(lines).toMatchObject([{ msg: 'request failed', err: { type: 'TypeError' } }]);
  });
});
