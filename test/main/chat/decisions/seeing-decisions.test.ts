import { describe, expect, test } from 'vitest';
import type { PassReply } from '../../../../src/main/chat/passed/pass-reply.ts';
import type { ChatServer } from '../../../support/make-chats.ts';
import { json } from '../../../support/scripted-server.ts';
import { one, open, planner, summary, two, useTwoServers } from '../../../support/two-servers.ts';

/** Decisions about pictures, and those of the ladder. */
useTwoServers();

const PNG = 'data:image/png;base64,AAAA';
const SEEN = { type: 'input_image', image_url: PNG };
const features = { constrainedAnswers: false };

function see(server: ChatServer, vision: boolean): void {
  server.pages = { '/props': { total_slots: 2, modalities: { vision } } };
}

/** Reads the first option from each chat. */
function reads(server: ChatServer): void {
  const top_logprobs = [{ token: '1', logprob: -0.01 }];
  const choice = { index: 0, message: { content: '1' }, logprobs: { content: [{ token: '1', top_logprobs }] } };
  server.chat = ({ response }) => json(response, 200, { id: 'c', choices: [choice] });
}

const DECISION = {
  model: 'm',
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'See ' }, SEEN] }],
  questions: [{ type: 'predicate', instructions: 'It bites.' }],
};
const QUESTIONS = { q: { type: 'noul', instructions: 'It bites.' } };
const SYSTEM_ONE = { model: 'm', state: 'See', images: [PNG], questions: QUESTIONS };

function ask(body: object): Promise<PassReply> {
  const route = 'state' in body ? 'systemone' : 'decisions';
  return planner.chats.pass(route, Buffer.from(JSON.stringify(body)), { timeoutMs: 100_000 });
}

describe.each<[string, object]>([
  ['Decisions API', DECISION],
  [
    'Decisions API, in a question',
    { ...DECISION, input: 'x', questions: [{ type: 'predicate', instructions: [SEEN] }] },
  ],
  ['System One', SYSTEM_ONE],
  ['System One, in a file', { ...SYSTEM_ONE, images: undefined, files: [PNG] }],
  [
    'System One, in messages',
    {
      model: 'm',
      state: { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PNG } }] }] },
      questions: QUESTIONS,
    },
  ],
])('a picture in a request of %s', (_, body) => {
  test('goes to no model that takes none: to a fallback that does, which is shown it', async () => {
    see(one, false);
    see(two, true);
    reads(two);
    two.models = ['backup'];
    await open({ features });
    expect(summary(await ask(body))).toBe('fallback backup at two');
    expect(one.chats.length + one.passed.length).toBe(0);
    expect(JSON.stringify(two.bodies[0]?.messages)).toContain(`{"type":"image_url","image_url":{"url":"${PNG}"}}`);
  });

  test('is refused in words where no model takes any, and nobody is asked', async () => {
    see(one, false);
    see(two, false);
    await open({ features });
    const reply = await ask(body);
    expect(reply).toMatchObject({ kind: 'failed', error: { code: 'ERR_MODEL_REJECTED' } });
    expect(reply.kind === 'failed' && reply.error.message).toContain('takes no pictures');
    expect(one.chats.length + two.chats.length).toBe(0);
  });

  test('goes as it is to a server that has the call', async () => {
    const answer = { model: 'm', answers: [{ type: 'refusal', name: null }] };
    for (const path of ['/v1/decisions', '/v1/systemone']) {
      one.routes = { ...one.routes, [path]: ({ response }) => json(response, 200, answer) };
    }
    await open();
    expect(summary(await ask(body))).toBe('model m at one');
    expect(one.passed[0]?.body).toBe(JSON.stringify(body));
  });
});

describe('conclave as the model', () => {
  test.each<[string, object]>([
    ['Decisions API', { ...DECISION, model: 'conclave', input: 'A wolf.' }],
    ['System One', { model: 'conclave', state: 'A wolf.', questions: QUESTIONS }],
  ])('stands for the ladder, in its order: %s', async (_, body) => {
    reads(one);
    two.chat = ({ response }) => json(response, 500, { error: { message: 'broken' } });
    const models = [
      { model: 'backup', endpoint: 'two' },
      { model: 'm', endpoint: 'one' },
    ];
    two.models = ['backup'];
    await open({ synthesis: { models }, callRetries: 0 });
    const reply = await ask(body);
    expect(summary(reply)).toBe('fallback m at one');
    expect(two.bodies[0]?.model).toBe('backup');
    expect(one.bodies[0]?.model).toBe('m');
    expect(reply.kind === 'whole' && JSON.parse(reply.bytes.toString()).model).toBe('m');
    expect(summary(await ask(body))).toBe('fallback m at one');
  });

  test('is the first of the ladder in the bytes for a server that has the call', async () => {
    two.routes = {
      '/v1/decisions': ({ response }) => json(response, 200, { model: 'backup', answers: [{ type: 'x' }] }),
    };
    await open();
    expect(summary(await ask({ ...DECISION, model: 'conclave', input: 'A wolf.' }))).toBe('model backup at two');
    expect(JSON.parse(two.passed[0]?.body ?? '')).toMatchObject({ model: 'backup', input: 'A wolf.' });
    expect(summary(await ask({ ...DECISION, model: 'conclave', input: 'A wolf.' }))).toBe('cache backup at two');
  });
});
