import { describe, expect, test } from 'vitest';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import {
  READ_FORMS,
  type ReadCall,
  type ReadForm,
  type Reading,
  type ReadOutcome,
} from '../../../src/shared/reads/reading.ts';
import { type Exchange, json, type Script } from '../../support/scripted-server.ts';
import { client, clock, openClient, server, turn, useModelClient } from '../../support/use-model-client.ts';

const CALL: ReadCall = {
  form: 'systemone',
  model: 'phi-4-mini',
  system: 'You choose.',
  state: 'SITUATION',
  roles: ['scout'],
  actions: ['attack', 'block'],
  timeoutMs: 5_000,
  alternativesMax: 20,
};

/** A good answer of each form: the first action with .75. */
const GOOD: Readonly<Record<ReadForm, object>> = {
  decisions: {
    answers: [
      {
        type: 'choice',
        probabilities: [
          { value: '1', probability: 0.75 },
          { value: '2', probability: 0.25 },
        ],
      },
    ],
  },
  systemone: { answers: { q1: { type: 'choice', choice: '1', probabilities: { 1: 0.75, 2: 0.25 } } } },
  logprobs: {
    choices: [
      {
        logprobs: {
          content: [
            {
              token: '1',
              top_logprobs: [
                { token: '1', logprob: Math.log(0.75) },
                { token: '2', logprob: Math.log(0.25) },
              ],
            },
          ],
        },
      },
    ],
  },
};

useModelClient();

function readWith(script: Script, more: Partial<ReadCall> = {}, signal?: AbortSignal): Promise<ReadOutcome> {
  server.script = script;
  return client.read({ ...CALL, ...more }, signal);
}

async function failureWith(script: Script, more: Partial<ReadCall> = {}): Promise<{ code: string; message: string }> {
  const outcome = await readWith(script, more);
  if (outcome.ok) throw new Error('the read succeeded');
  const { code, message } = outcome.failure;
  return { code, message };
}

describe.each(READ_FORMS)('a read of the form %s', (form) => {
  test('goes to its route, once, and returns the probabilities', async () => {
    const outcome = await readWith(({ response }) => json(response, 200, GOOD[form]), { form });
    expect(outcome).toMatchObject({ ok: true, readings: [{ role: 'scout' }] });
    const [{ probabilities }] = (outcome as Extract<ReadOutcome, { ok: true }>).readings as readonly [Reading];
    expect(probabilities[0]).toBeCloseTo(0.75, 9);
    const route = { decisions: '/v1/decisions', systemone: '/v1/systemone', logprobs: '/v1/chat/completions' }[form];
    expect(server.exchanges.map(({ url }) => url)).toEqual([route]);
  });

  test.each([
    ['404', 404, { error: { message: 'Not Found' } }, 'ERR_METHOD_UNKNOWN'],
    ['404 in FastAPI’s words', 404, { detail: 'Not Found' }, 'ERR_METHOD_UNKNOWN'],
    ['405', 405, { detail: 'Method Not Allowed' }, 'ERR_METHOD_UNKNOWN'],
    ['501', 501, { error: { message: 'this model cannot decide' } }, 'ERR_METHOD_UNKNOWN'],
    ['LM Studio’s 200', 200, { error: 'Unexpected endpoint or method. (POST /v1/systemone)' }, 'ERR_METHOD_UNKNOWN'],
    [
      '404 for the model',
      404,
      { error: { message: 'model "x" not found, try pulling it first' } },
      'ERR_MODEL_INVALID_ID',
    ],
    ['400', 400, { error: { message: 'label "10" is no single token' } }, 'ERR_MODEL_REJECTED'],
    ['422', 422, { detail: 'extra fields not permitted' }, 'ERR_MODEL_REJECTED'],
    ['429', 429, { error: { message: 'slow down' } }, 'ERR_MODEL_OVERLOADED'],
    ['503', 503, { error: { message: 'Loading model' } }, 'ERR_MODEL_OVERLOADED'],
    ['500', 500, { error: { message: 'oops' } }, 'ERR_MODEL_STATUS'],
    ['an error in a 200', 200, { error: { message: 'oops' } }, 'ERR_MODEL_STATUS'],
    ['an answer of another form', 200, { object: 'list', data: [] }, 'ERR_MODEL_MALFORMED'],
    ['a number', 200, 5, 'ERR_MODEL_MALFORMED'],
    ['null', 200, null, 'ERR_MODEL_MALFORMED'],
    ['a string', 200, 'yes', 'ERR_MODEL_MALFORMED'],
  ])('%s is its code', async (_, status, body, code) => {
    expect((await failureWith(({ response }) => json(response, status, body), { form })).code).toBe(code);
    expect(server.exchanges).toHaveLength(1);
  });
});

describe('a body', () => {
  test.each<[string, Script, string]>([
    ['that is no JSON', ({ response }) => response.end('<html>'), 'ERR_MODEL_MALFORMED'],
    ['of nothing', ({ response }) => response.end(), 'ERR_MODEL_MALFORMED'],
    ['that nests too deep', ({ response }) => response.end('['.repeat(100_000)), 'ERR_MODEL_MALFORMED'],
    [
      'that is cut',
      ({ response, socket }) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"answers":{', () => socket.destroy());
      },
      'ERR_MODEL_RESET',
    ],
    ['whose connection is reset', ({ socket }) => socket.destroy(), 'ERR_MODEL_RESET'],
    ['of no answers', ({ response }) => json(response, 200, {}), 'ERR_MODEL_MALFORMED'],
    [
      'of a stream',
      ({ response }) =>
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"answers":{}}\n\n'),
      'ERR_MODEL_TOO_LARGE',
    ],
    [
      'of an error page that is no JSON',
      ({ response }) => response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found'),
      'ERR_METHOD_UNKNOWN',
    ],
  ])('%s is its code', async (_, script, code) => {
    expect((await failureWith(script)).code).toBe(code);
  });

  test('in many pieces is read whole', async () => {
    const text = JSON.stringify(GOOD.systemone);
    const outcome = await readWith(async ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const char of text) {
        response.write(char);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    expect(outcome.ok).toBe(true);
  });

  test('is read whatever its content type claims', async () => {
    const outcome = await readWith(({ response }) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(JSON.stringify(GOOD.systemone)),
    );
    expect(outcome).toMatchObject({ ok: true, readings: [{ role: 'scout', probabilities: [0.75, 0.25] }] });
  });

  test('without a content type is read all the same', async () => {
    const outcome = await readWith(({ response }) => response.end(JSON.stringify(GOOD.systemone)));
    expect(outcome.ok).toBe(true);
  });

  test('without an end is given up at its bound, and its connection is closed', async () => {
    const arrived = server.next();
    const outcome = readWith(({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (let piece = 0; piece < 9; piece++) response.write(Buffer.alloc(4_000_000, 0x20));
    });
    const { closed } = await arrived;
    expect(await outcome).toMatchObject({ ok: false, failure: { code: 'ERR_MODEL_TOO_LARGE' } });
    await closed;
  });
});

describe('time', () => {
  test('a read that gets no answer ends at its timeout, and its connection is closed', async () => {
    const arrived = server.next();
    const outcome = readWith(() => {});
    const { closed } = await arrived;
    clock.advance(4_999);
    await turn();
    clock.advance(1);
    expect(await outcome).toMatchObject({ ok: false, failure: { code: 'ERR_MODEL_TIMEOUT_HEADERS' } });
    await closed;
  });

  test('a body that stalls counts against the same time', async () => {
    const arrived = server.next();
    const phases: string[] = [];
    const begun = Promise.withResolvers<void>();
    const outcome = readWith(
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{');
      },
      {
        onPhase: (phase) => {
          phases.push(phase);
          if (phase === 'first-token') begun.resolve();
        },
      },
    );
    const { closed } = await arrived;
    await begun.promise;
    clock.advance(5_000);
    expect(await outcome).toMatchObject({ ok: false, failure: { code: 'ERR_MODEL_TIMEOUT_FIRST_TOKEN' } });
    expect(phases).toEqual(['headers', 'first-token']);
    await closed;
  });

  test('an abort while the server reads ends the call at once and closes the connection', async () => {
    const arrived = server.next();
    const controller = new AbortController();
    const outcome = readWith(() => {}, {}, controller.signal);
    const { closed } = await arrived;
    controller.abort();
    expect(await outcome).toMatchObject({ ok: false, failure: { code: 'ERR_CANCELLED' } });
    await closed;
  });

  test('a read that is aborted before it begins is not sent', async () => {
    const outcome = await readWith(() => {}, {}, AbortSignal.abort());
    expect(outcome).toMatchObject({ ok: false, failure: { code: 'ERR_CANCELLED' } });
    expect(server.exchanges).toHaveLength(0);
  });

  test('the report has its whole time, and neither a queue nor a first token', async () => {
    const outcome = await readWith(({ response }) => {
      clock.advance(120);
      json(response, 200, GOOD.systemone);
    });
    expect(outcome.report).toEqual({ totalMs: 120 });
  });
});

describe('the report', () => {
  test.each([
    [
      'chats',
      { prompt_tokens: 300, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 280 } },
      { promptTokens: 300, completionTokens: 1, cachedTokens: 280 },
    ],
    [
      'the newer protocols',
      { input_tokens: 300, output_tokens: 4, input_tokens_details: { cached_tokens: 280 } },
      { promptTokens: 300, completionTokens: 4, cachedTokens: 280 },
    ],
    ['nobody', { input_tokens: 'many', input_tokens_details: { cached_tokens: -1 } }, {}],
    ['a server that tells null', null, {}],
    ['a server that tells a string', 'many', {}],
  ])('has the tokens as %s spell them', async (_, usage, told) => {
    const outcome = await readWith(({ response }) => json(response, 200, { ...GOOD.systemone, usage }));
    expect(outcome.ok).toBe(true);
    expect(outcome.report).toEqual({ totalMs: 0, ...told });
  });

  test('has the model that answered', async () => {
    const outcome = await readWith(({ response }) => json(response, 200, { ...GOOD.systemone, model: 'phi-4@q4' }));
    expect(outcome.report.modelAnswered).toBe('phi-4@q4');
  });
});

test('each read has its own body, with the key and headers of the endpoint', async () => {
  await openClient({ apiKey: 'sk-secret', headers: { 'x-team': 'lydia' } });
  for (const state of ['Night.', 'Day.']) {
    await readWith(({ response }) => json(response, 200, GOOD.systemone), { state });
  }
  for (const [nth, state] of ['Night.', 'Day.'].entries()) {
    const { headers, body } = server.exchanges[nth] as Exchange;
    const { authorization, 'x-team': team, 'content-type': type } = headers;
    expect([authorization, team, type]).toEqual(['Bearer sk-secret', 'lydia', 'application/json']);
    expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
    expect(body).toContain(state);
  }
});

test('a key is not in the message of a failure', async () => {
  const keyed = new ModelClient({ name: 'local', baseURL: server.baseURL, apiKey: 'sk-secret-key' }, clock, 4);
  server.script = ({ response, headers }) => json(response, 400, { error: `bad key ${headers.authorization}` });
  const outcome = await keyed.read(CALL);
  await keyed.close();
  expect(outcome.ok).toBe(false);
  expect(JSON.stringify(outcome)).not.toContain('sk-secret-key');
  expect((outcome as Extract<ReadOutcome, { ok: false }>).failure.message).not.toContain('sk-secret-key');
});
