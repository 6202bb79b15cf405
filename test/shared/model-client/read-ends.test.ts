import { afterEach, beforeEach, expect, test } from 'vitest';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Script, ScriptedServer } from '../../support/scripted-server.ts';

let server: ScriptedServer;
let clock: FakeClock;
let client: ModelClient;

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new FakeClock();
  client = new ModelClient({ name: 'local', baseURL: server.baseURL }, clock, 2);
});

afterEach(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
  expect(clock.pendingTimers, 'timers left').toBe(0);
});

async function read(): Promise<string> {
  const outcome = await client.read({
    form: 'systemone',
    model: 'm',
    system: 'A guard.',
    state: 'Night.',
    roles: ['threat'],
    actions: ['wait', 'shout'],
    timeoutMs: 2_000,
    alternativesMax: 20,
    hasThinkingSwitch: false,
  });
  return outcome.ok ? JSON.stringify(outcome.readings) : outcome.failure.code;
}

const text =
  (value: string, status = 200, type = 'application/json'): Script =>
  ({ response }) =>
    response.writeHead(status, { 'content-type': type }).end(value);
/** Three quarters for the first option, one for the second. */
function answerTo(body: string): string {
  const { questions } = JSON.parse(body) as { readonly questions: Record<string, { readonly criteria: object }> };
  const answers = Object.entries(questions).map(([id, { criteria }]) => {
    const [first, second] = Object.keys(criteria) as [string, string];
    return [id, { probabilities: { [first]: 0.75, [second]: 0.25 } }];
  });
  return JSON.stringify({ model: 'm', answers: Object.fromEntries(answers) });
}

test('an answer is read from its one body, whatever its content type claims', async () => {
  server.script = (asked) => text(answerTo(asked.body), 200, 'text/event-stream')(asked);
  expect(JSON.parse(await read())).toEqual([{ role: 'threat', probabilities: [0.75, 0.25] }]);
});

test.each<readonly [string, Script, string]>([
  ['no body', text(''), 'ERR_MODEL_MALFORMED'],
  ['HTML with 200', text('<html>Welcome</html>'), 'ERR_MODEL_MALFORMED'],
  ['no answers', text('{}'), 'ERR_MODEL_MALFORMED'],
  ['an error with 200', text('{"error":"Unexpected endpoint or method"}'), 'ERR_METHOD_UNKNOWN'],
  ['404', text('{"error":"not found"}', 404), 'ERR_METHOD_UNKNOWN'],
  ['a refusal', text('{"error":{"message":"too long"}}', 400), 'ERR_MODEL_REJECTED'],
  ['a stream', text('data: {"answers":{}}\n\n', 200, 'text/event-stream'), 'ERR_MODEL_TOO_LARGE'],
])('%s', async (_, script, code) => {
  server.script = script;
  expect(await read()).toBe(code);
});
