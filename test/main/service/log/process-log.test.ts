import { describe, expect, test } from 'vitest';
import { PlanLog } from '../../../../src/main/service/log/plan-log.ts';
import { ProcessLog } from '../../../../src/main/service/log/process-log.ts';
import { drive } from '../../../support/drive.ts';
import { makePlanner, request } from '../../../support/make-planner.ts';

const SECRETS = ['sk-config-1234', 'tok"en\\5678', 'Basic dXNlcjpwYXNz', 'sid=abcdef', 'hunter2hunter2'];
const [API_KEY = '', TOKEN = '', BASIC = '', COOKIE = '', PASSWORD = ''] = SECRETS;

function captured(level = 'debug'): { logs: ProcessLog; text: () => string; lines: () => Record<string, unknown>[] } {
  let text = '';
  const logs = new ProcessLog({
    write: (line) => {
      text += line;
    },
  });
  logs.level = level;
  const lines = (): Record<string, unknown>[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  return { logs, text: () => text, lines };
}

describe('a log line', () => {
  test('is JSON, has its component, and shows no secret, by whatever way it came in', () => {
    const { logs, text, lines } = captured();
    logs.secrets.addFrom({
      endpoints: { local: { apiKey: API_KEY, headers: { 'x-tenant': COOKIE } } },
      serve: { http: { token: TOKEN } },
    });
    const log = logs.of('http');
    log.info({ apiKey: API_KEY, token: TOKEN, password: PASSWORD }, 'by name');
    log.info({ a: { b: [{ c: { Authorization: BASIC, 'set-cookie': COOKIE, headers: { any: PASSWORD } } }] } }, 'deep');
    log.warn({ err: new Error(`401: {"error":"wrong key ${API_KEY}"}`) }, 'an error that echoes the key');
    log.warn({ body: JSON.stringify({ token: TOKEN }) }, 'a body that is JSON itself');
    log.warn({}, `GET http://user:${PASSWORD}@127.0.0.1:1234/v1?api_key=${PASSWORD} says Bearer ${PASSWORD}`);
    log.debug({ url: `/?token=${PASSWORD}`, maxTokens: 5, tokenFile: '/run/token' }, 'not all that sounds like it');
    expect(lines().map(({ component }) => component)).toEqual(Array(6).fill('http'));
    expect(lines().at(-1)).toMatchObject({ maxTokens: 5, tokenFile: '/run/token', msg: 'not all that sounds like it' });
    for (const secret of [...SECRETS, JSON.stringify(TOKEN).slice(1, -1), 'dXNlcjpwYXNz'])
      expect(text()).not.toContain(secret);
  });

  test('holds nothing that a terminal obeys, and reads as the same text', () => {
    const { logs, text, lines } = captured();
    const evil = 'm\u001b[2J\u009b31m\u0085\u007f\u2028\u2029\u202e\n\t';
    logs.root.warn({ model: evil, [evil]: [evil], err: new Error(evil) }, evil);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(text()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    expect(text().split('\n')).toHaveLength(2);
    expect(lines()[0]).toMatchObject({ model: evil, [evil]: [evil], msg: evil });
  });

  test('of letters alone takes no time with the square of its length', () => {
    const { logs } = captured();
    // Where it did, each of these would take minutes.
    for (const text of ['a'.repeat(500_000), `http://${'a:'.repeat(250_000)}`, `Bearer ${' '.repeat(500_000)}`])
      expect(logs.secrets.hide(text)).toBe(text);
  });

  test('shows nothing of a secret that begins with another one, and nothing of a name or a password in an address', () => {
    const { logs } = captured();
    for (const secret of ['secret-1', 'secret-12-and-more']) logs.secrets.add(secret);
    expect(logs.secrets.hide('secret-12-and-more, secret-1')).toBe('[hidden], [hidden]');
    expect(logs.secrets.hide('at https://ghp_abcdef@host/v1 and http://a:b@c@host/')).toBe(
      'at https://[hidden]@host/v1 and http://[hidden]@host/',
    );
  });

  test('follows the level, also of parts that have their log already', () => {
    const { logs, lines } = captured('silent');
    const log = logs.of('serve');
    log.error({}, 'unheard');
    logs.level = 'info';
    log.info({}, 'heard');
    log.debug({}, 'unheard');
    expect(logs.of('serve')).toBe(log);
    logs.level = 'silent';
    log.error({}, 'unheard');
    expect(lines().map(({ msg }) => msg)).toEqual(['heard']);
  });
});

describe('the log of plans', () => {
  test('has a line with the id for each plan at debug; below it no listener is on the way of a cached plan', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 5 }));
    const { logs, lines } = captured('info');
    const log = new PlanLog(under.planner, logs.of('planner'));
    expect(under.planner.listenerCount('plan')).toBe(0);
    await drive(under.clock, under.planner.plan(request()));
    expect(lines()).toEqual([]);
    logs.level = 'debug';
    log.update();
    log.update();
    expect(under.planner.listenerCount('plan')).toBe(1);
    const { id } = await under.planner.plan(request());
    expect(lines()).toMatchObject([{ level: 20, planId: id, agent: 'tester', action: 'flee', source: 'cache' }]);
    await under.planner.plan(request({ actions: ['wait'] }), { timeoutMs: 2 });
    expect(lines().at(-1)).toMatchObject({
      source: 'heuristic',
      why: { code: 'no-time', message: expect.any(String) },
    });
    logs.level = 'warn';
    log.update();
    expect(under.planner.listenerCount('plan')).toBe(0);
  });

  test('warns of a plan that was late, and of an endpoint that rests', async () => {
    await using under = await makePlanner(
      ({ role }) => ({ kind: 'errors', code: 'ERR_MODEL_REFUSED', afterMs: role === 'one' ? 1 : 2 }),
      { features: { breaker: true } },
    );
    const { logs, lines } = captured('warn');
    new PlanLog(under.planner, logs.of('planner'));
    for (let nth = 0; nth < 12; nth++) {
      await drive(under.clock, under.planner.plan(request({ observation: { place: `cave ${nth}`, health: 50 } })));
      under.clock.advance(150);
    }
    expect(lines()[0]).toMatchObject({ level: 40, endpoint: 'fake', opened: 1 });
    // Reading it takes longer than the plan has.
    const slow = {
      ...request(),
      get agent(): string {
        under.clock.advance(10);
        return 'slow';
      },
    };
    const plan = await drive(under.clock, under.planner.plan(slow, { timeoutMs: 8 }));
    expect(plan.latenessMs).toBeGreaterThan(15);
    expect(lines().at(-1)).toMatchObject({ level: 40, planId: plan.id, latenessMs: plan.latenessMs });
    const [before] = [lines().length];
    await drive(under.clock, under.planner.plan(request({ agent: 'on time' })));
    expect(lines()).toHaveLength(before);
  });
});
