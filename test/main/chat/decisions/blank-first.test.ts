import { expect, test } from 'vitest';
import { startDecision } from '../../../../src/main/chat/decisions/decision-relay.ts';
import type { ReadCall } from '../../../../src/shared/reads/reading.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { json } from '../../../support/scripted-server.ts';
import { one, open, planner, useTwoServers } from '../../../support/two-servers.ts';

/** Decisions of a model whose tokenizer writes a blank of its own before a digit, as those of SentencePiece do. */
useTwoServers();

test('a model that writes a blank before each label is asked for two tokens from the second request on', async () => {
  one.chat = ({ response, body }) => {
    const { max_tokens } = JSON.parse(body) as { readonly max_tokens: number };
    const written = [
      { token: ' ', logprob: Math.log(0.9) },
      { token: '2', logprob: Math.log(0.8) },
    ];
    const content = written.slice(0, max_tokens).map((each) => ({ ...each, top_logprobs: [each] }));
    const choice = { index: 0, message: { content: ' 2' }, logprobs: { content } };
    json(response, 200, { id: 'c', model: 'm', choices: [choice] });
  };
  await open();
  const question = { type: 'choice', instructions: 'Which?', choices: [{ value: 'a' }, { value: 'b' }] };
  const body = { model: 'm', input: 'A wolf comes.', questions: [question, question] };
  const reply = await planner.chats.pass('decisions', Buffer.from(JSON.stringify(body)), { timeoutMs: 100_000 });
  const { answers } = JSON.parse(reply.kind === 'whole' ? reply.bytes.toString() : '{}');
  expect(answers).toMatchObject([{ choice: 'b' }, { choice: 'b' }]);
  expect(answers[0].confidence).toBeCloseTo(0.72, 6);
  expect(one.bodies.map((each) => each.max_tokens)).toEqual([1, 2, 2]);
});

test('the second request has only the time that the first one left', async () => {
  const clock = new FakeClock(1_000);
  const times: number[] = [];
  const read = async ({ timeoutMs }: ReadCall) => {
    times.push(timeoutMs);
    clock.advance(600);
    return { ok: true, readings: [], report: { totalMs: 600, startsBlank: true } };
  };
  const opening = { client: { read }, limits: { timeoutMs: 1_000 }, onLife: () => {}, signal: undefined };
  const said = [{ type: 'text', text: 'A wolf comes.' }];
  const options = [{ value: 'a' }, { value: 'b' }];
  const questions = [{ name: null, type: 'choice', instructions: said, options }];
  const questionnaire = { state: [{ role: 'user', content: said }], questions };
  const seat = { model: 'm', at: { facts: { kind: 'unknown' } } };
  const task = { form: { answer: () => ({}) }, questionnaire, seat, onBytes: () => {} };
  await startDecision(clock, opening as never, task as never)?.ended;
  expect(times).toEqual([1_000, 400]);
});
