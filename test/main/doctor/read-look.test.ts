import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adviceFor } from '../../../src/main/doctor/advice.ts';
import { type ExaminedEndpoint, examine, type TimedCall } from '../../../src/main/doctor/examine.ts';
import type { AnswerRule } from '../../../src/main/options/planner-options.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { labelsFor } from '../../../src/shared/reads/labels.ts';
import { ChatServer } from '../../support/make-chats.ts';
import { type Exchange, events, FINISH, json, piece, streamHead } from '../../support/scripted-server.ts';

let server: ChatServer;
beforeEach(async () => {
  server = await ChatServer.start('phi-4');
});
afterEach(() => server[Symbol.asyncDispose]());

interface Question {
  readonly name: string;
  readonly choices: readonly { readonly value: string }[];
}

interface Body {
  readonly logprobs?: boolean;
  readonly questions?: readonly Question[];
}

const bodyOf = ({ body }: Exchange): Body => JSON.parse(body) as Body;
const refuses = ({ response }: Exchange): void => json(response, 501, { error: { message: 'not supported' } });

/** Writes `text`; a chat that asks for log probabilities is told those of `token`. */
function chats(token: string | undefined, text = '1'): void {
  server.chat = (exchange) => {
    const { response } = exchange;
    if (bodyOf(exchange).logprobs && token !== undefined) {
      const content = [{ token, logprob: -0.1, top_logprobs: [{ token, logprob: -0.1 }] }];
      return json(response, 200, { choices: [{ message: { content: token }, logprobs: { content } }] });
    }
    if (bodyOf(exchange).logprobs) return json(response, 200, { choices: [{ message: { content: text } }] });
    streamHead(response);
    return response.end(events(piece(text), FINISH, '[DONE]'));
  };
}

function decides(): void {
  server.routes = {
    '/v1/decisions': (exchange) => {
      const { questions = [] } = bodyOf(exchange);
      const answers = questions.map(({ choices }) => {
        const probabilities = choices.map(({ value }, index) => ({ value, probability: index === 0 ? 1 : 0 }));
        return { type: 'choice', value: choices[0]?.value, probabilities };
      });
      return json(exchange.response, 200, { answers });
    },
  };
}

function look(answers: AnswerRule, isConstrained = true): Promise<ExaminedEndpoint[]> {
  const endpoints = { a: { baseURL: server.baseURL } };
  const asking = { ruleFor: () => answers, isConstrained };
  const subject = { endpoints, models: [], seats: [], asking, keyVariableOf: () => 'KEY' };
  return examine(subject, systemClock, 5_000, new AbortController().signal);
}

async function doctor(answers: AnswerRule = 'auto', isConstrained = true): Promise<[TimedCall, string]> {
  const examined = await look(answers, isConstrained);
  return [examined[0]?.calls[0] as TimedCall, adviceFor(examined).join('\n')];
}

describe('whether a model can be read', () => {
  test('is the first form that its server answers, timed by one read of the prompt of a plan', async () => {
    decides();
    const [call, advice] = await doctor();
    expect(call).toMatchObject({ code: 'OK', answers: 'auto', asked: ['decisions', 'text'] });
    expect(call.read).toEqual({ form: 'decisions', readMs: expect.any(Number) });
    const [probe, read] = server.passed.map(bodyOf) as [Body, Body];
    expect(probe.questions).toHaveLength(1);
    expect((read.questions as readonly Question[]).length).toBeGreaterThan(1);
    expect(read.questions?.[0]?.choices.map(({ value }) => value)).toEqual(labelsFor(Array(6).fill('x')));
    expect(advice).not.toContain('read');
  });

  test('is found out from log probabilities where the server has nothing else, for one role', async () => {
    chats('1');
    server.routes = { '/v1/decisions': refuses };
    const [call] = await doctor();
    expect(call.read).toEqual({ form: 'logprobs', readMs: expect.any(Number) });
    expect(call.asked).toEqual(['logprobs', 'text']);
    expect(server.bodies.filter(({ logprobs }) => logprobs)).toHaveLength(2);
  });

  test('is no where no form is answered, and then it is asked in words', async () => {
    chats(undefined);
    // As LM Studio lists them, on any path.
    server.list = ({ response }) => json(response, 200, { data: [{ id: 'phi-4', state: 'loaded' }] });
    const [call, advice] = await doctor();
    expect(call).toMatchObject({ read: { form: null, message: expect.any(String) }, asked: ['text'] });
    expect(advice).toContain(
      'LM Studio tells no log probabilities of phi-4: it is asked in words. A decision model could be read.',
    );
  });

  test('is not known where a server fails at what it may have', async () => {
    chats('1');
    server.routes = { '/v1/decisions': ({ response }) => json(response, 500, { error: { message: 'boom' } }) };
    const [call, advice] = await doctor();
    expect(call.read).toEqual({ message: expect.stringContaining('boom') });
    expect(call.asked).toEqual(['text']);
    expect(advice).not.toContain('in words');
  });

  test('is left open where the call in words failed', async () => {
    server.chat = ({ response }) => json(response, 500, { error: { message: 'out of memory' } });
    const [call] = await doctor();
    expect(call).not.toHaveProperty('read');
    expect(call).not.toHaveProperty('asked');
  });
});

describe('advice', () => {
  test('for a model that thinks first is to switch that off', async () => {
    chats('<think>', '<think>The bandit is weak');
    const [call, advice] = await doctor();
    expect(call).toMatchObject({ thinks: true, read: { form: null } });
    expect(advice).toContain('phi-4 thinks before it answers: switch thinking off for reads, or use a decision model.');
  });

  test('for a model that is to be asked in words is silent where it cannot be read', async () => {
    chats(undefined);
    const [call, advice] = await doctor('write');
    expect(call).toMatchObject({ answers: 'write', asked: ['text'] });
    expect(advice).not.toContain('in words');
  });

  test.each([
    ['quicker', 10, /phi-4 can be read, which is quicker than words: set answers to auto/],
    ['slower', 1_000, /^(?!.*can be read)/s],
  ])('for one that is to be asked in words and can be read, %s', async (_, readMs, said) => {
    chats('1');
    const [endpoint] = (await look('write')) as [ExaminedEndpoint];
    const [call] = endpoint.calls as readonly [TimedCall];
    const calls = [{ ...call, totalMs: 500, read: { form: 'logprobs', readMs } as const }];
    expect(adviceFor([{ ...endpoint, calls }]).join('\n')).toMatch(said);
  });
});

test.each<[AnswerRule, boolean, readonly string[]]>([
  ['auto', true, ['logprobs', 'json']],
  ['auto', false, ['logprobs', 'text']],
  ['read', true, ['logprobs']],
  ['write', true, ['json']],
])('under answers %s, constrained %s, plans ask %j', async (answers, isConstrained, asked) => {
  chats('1', '{"choice":1}');
  const [call] = await doctor(answers, isConstrained);
  expect(call).toMatchObject({ keepsSchema: true, answers, asked });
});
