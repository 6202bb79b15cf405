import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerForms, probeSchema } from '../../../../src/main/models/forms/answer-form.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { answerSchema } from '../../../../src/shared/constrained-answer.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { type ErrorCode, PlannerError } from '../../../../src/shared/errors.ts';
import { type ChatCall, type ChatOutcome, ModelClient } from '../../../../src/shared/model-client/model-client.ts';
import { renderSituation, situationOf } from '../../../../src/shared/situation.ts';
import type { ExpertResult } from '../../../../src/shared/tasks.ts';
import { askForVote } from '../../../../src/shared/vote-answer.ts';
import { SimulatorServer } from '../../../../src/workers/simulator/http-server.ts';
import { NO_RATES, resolveSimulatorOptions } from '../../../../src/workers/simulator/options.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const RETRY_MS = 600_000;
const vote = { action: 'block', reason: '' };
const KEPT: ExpertResult = { ok: true, vote, report: { totalMs: 1, keptSchema: true } };
/** A vote in another form still is a miss. */
const MISSED: ExpertResult = { ok: true, vote, report: { totalMs: 1, keptSchema: false } };

function failed(code: ErrorCode): ExpertResult {
  return { ok: false, error: { code, message: code, retryable: false }, report: { totalMs: 1 } };
}

class Scene {
  readonly clock = new FakeClock();
  readonly forms = new AnswerForms(this.clock);

  constructor(isHonoured: boolean | undefined) {
    this.forms.begin('local', 'm', isHonoured);
  }

  form(): string {
    return this.forms.formFor('local', 'm');
  }

  see(...results: readonly ExpertResult[]): this {
    for (const result of results) this.forms.observe('local', 'm', 'json', result);
    return this;
  }
}

describe('the form of answers', () => {
  test('is what the probe found, each model and endpoint for itself, and text where there was none', () => {
    const { forms } = new Scene(true);
    forms.begin('local', 'n', false);
    forms.begin('other', 'm', false);
    const found = [
      ['local', 'm'],
      ['local', 'n'],
      ['other', 'm'],
      ['other', 'n'],
    ].map(([endpoint = '', model = '']) => forms.formFor(endpoint, model));
    expect(found).toEqual(['json', 'text', 'text', 'text']);
  });

  test('is tried as JSON by the next call where the probe could not tell, and is what that one shows', () => {
    for (const [result, after] of [
      [KEPT, 'json'],
      [MISSED, 'text'],
      [failed('ERR_MODEL_SCHEMA'), 'text'],
      [failed('ERR_MODEL_TIMEOUT_STREAM'), 'json'],
    ] as const) {
      const scene = new Scene(undefined);
      expect([scene.form(), scene.form()]).toEqual(['json', 'text']);
      expect(scene.see(result).form()).toBe(after);
    }
  });

  test('becomes text at once where the server refuses the schema', () => {
    expect(new Scene(true).see(failed('ERR_MODEL_SCHEMA')).form()).toBe('text');
  });

  test('stays JSON through failures that say nothing of the schema', () => {
    const others = (['ERR_MODEL_STATUS', 'ERR_MODEL_TIMEOUT_STREAM', 'ERR_CANCELLED', 'ERR_MODEL_EMPTY'] as const).map(
      failed,
    );
    expect(new Scene(true).see(...others, ...others, ...others).form()).toBe('json');
  });

  test('becomes text at the third miss in eight answers, not at the second, nor at the third in nine', () => {
    expect(new Scene(true).see(MISSED, MISSED).form()).toBe('json');
    expect(new Scene(true).see(MISSED, MISSED, MISSED).form()).toBe('text');
    const between = (count: number): ExpertResult[] => Array.from({ length: count }, () => KEPT);
    expect(new Scene(true).see(MISSED, MISSED, ...between(5), MISSED).form()).toBe('text');
    expect(new Scene(true).see(MISSED, MISSED, ...between(6), MISSED).form()).toBe('json');
  });

  test('counts a vote that came in another form, and an answer without a vote, as misses', () => {
    const none = { ...failed('ERR_VOTE_NONE'), report: { totalMs: 1, keptSchema: false } };
    expect(new Scene(true).see(MISSED, none, none).form()).toBe('text');
  });

  test('counts no answer that was asked for as text', () => {
    const scene = new Scene(true);
    for (let i = 0; i < 9; i++) scene.forms.observe('local', 'm', 'text', MISSED);
    scene.forms.observe('local', 'm', 'text', failed('ERR_MODEL_SCHEMA'));
    expect(scene.form()).toBe('json');
  });

  test.each([
    ['of a refusal', () => new Scene(true).see(failed('ERR_MODEL_SCHEMA'))],
    ['of misses', () => new Scene(true).see(MISSED, MISSED, MISSED)],
    ['of the probe', () => new Scene(false)],
  ])('is tried as JSON by one call ten minutes after it became text because %s', (_, begin) => {
    const scene = begin();
    scene.clock.advance(RETRY_MS - 1);
    expect(scene.form()).toBe('text');
    scene.clock.advance(1);
    expect([scene.form(), scene.form(), scene.form()]).toEqual(['json', 'text', 'text']);
  });

  test.each<readonly [string, ExpertResult, string, string]>([
    ['was kept: JSON again', KEPT, 'json', 'json'],
    ['was missed: ten minutes of text more', MISSED, 'text', 'json'],
    ['was refused: ten minutes of text more', failed('ERR_MODEL_SCHEMA'), 'text', 'json'],
    ['taught nothing: the next call may try', failed('ERR_CANCELLED'), 'json', 'json'],
  ])('after a trial that %s', (_, result, soon, later) => {
    const scene = new Scene(false);
    scene.clock.advance(RETRY_MS);
    scene.form();
    scene.see(result);
    const { clock, forms } = scene;
    clock.advance(RETRY_MS - 1);
    expect(forms.formFor('local', 'm')).toBe(soon);
    clock.advance(RETRY_MS);
    expect(forms.formFor('local', 'm')).toBe(later);
  });

  test('gives three misses again after a trial that was kept', () => {
    const scene = new Scene(true).see(MISSED, MISSED, MISSED);
    scene.clock.advance(RETRY_MS);
    scene.form();
    expect(scene.see(KEPT, MISSED, MISSED).form()).toBe('json');
  });

  test('is tried anew where a trial was never heard of again', () => {
    const scene = new Scene(false);
    scene.clock.advance(RETRY_MS);
    expect(scene.form()).toBe('json');
    scene.clock.advance(RETRY_MS - 1);
    expect(scene.form()).toBe('text');
    scene.clock.advance(1);
    expect([scene.form(), scene.form()]).toEqual(['json', 'text']);
  });

  test('is not changed by late answers of a time when JSON was asked for', () => {
    const scene = new Scene(true).see(failed('ERR_MODEL_SCHEMA'));
    scene.clock.advance(RETRY_MS / 2);
    scene.see(KEPT, MISSED, failed('ERR_MODEL_SCHEMA'));
    expect(scene.form()).toBe('text');
    scene.clock.advance(RETRY_MS / 2);
    expect(scene.form()).toBe('json');
  });

  test('is JSON as long as no eight answers in a row hold three misses, for any answers', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (misses) => {
        const scene = new Scene(true).see(...misses.map((missed) => (missed ? MISSED : KEPT)));
        const isLost = misses.some(
          (_, end) => misses.slice(Math.max(0, end - 7), end + 1).filter((missed) => missed).length >= 3,
        );
        expect(scene.form()).toBe(isLost ? 'text' : 'json');
      }),
    );
  });
});

/** One answer, or one failure, to whatever is asked. */
async function probed(
  said: string | ErrorCode,
  reasoning = '',
): Promise<{ honours: boolean | undefined; call: ChatCall }> {
  let asked: ChatCall | undefined;
  const chat = async (call: ChatCall): Promise<ChatOutcome> => {
    asked = call;
    const report = { totalMs: 1 };
    if (said.startsWith('ERR_')) return { ok: false, failure: new PlannerError(said as ErrorCode, 'no'), report };
    return { ok: true, answer: { content: said, reasoning, finishReason: 'stop' }, report };
  };
  const honours = await probeSchema({ chat }, 'm', 700);
  if (asked === undefined) throw new Error('nothing was asked');
  return { honours, call: asked };
}

describe('the probe', () => {
  test('asks for a word under a schema that allows none, briefly', async () => {
    const { call } = await probed('wait');
    expect(call).toMatchObject({ model: 'm', timeoutMs: 700, maxTokens: 64 });
    expect(call.messages[0]?.content).toContain('One word');
    expect(call.schema?.schema.properties).toEqual({ choice: { type: 'integer', minimum: 1, maximum: 2 } });
  });

  test.each<readonly [content: string, reasoning: string]>([
    ['{"choice":1}', ''],
    ['\n {\n  "choice": 2\n}\n', ''],
    ['<think>\n</think>{"choice":2}', ''],
    ['', '{"choice":2}'],
  ])('takes %j %j for a schema that was kept', async (content, reasoning) => {
    expect((await probed(content, reasoning)).honours).toBe(true);
  });

  test.each([
    'wait',
    '2',
    'null',
    '"choice"',
    '[1]',
    '{}',
    '{"choice":3}',
    '{"choice":"1"}',
    '{"choice":1,"name":"wait"}',
    '{"choice":1} is my answer',
    '```json\n{"choice":1}\n```',
    '{"choice":',
    '',
    'ERR_MODEL_SCHEMA',
  ])('does not take %j for one', async (content) => {
    expect((await probed(content)).honours).toBe(false);
  });

  test.each([
    'ERR_MODEL_TIMEOUT_STREAM',
    'ERR_MODEL_STATUS',
    'ERR_MODEL_REJECTED',
    'ERR_MODEL_OVERLOADED',
    'ERR_MODEL_REFUSED',
    'ERR_CANCELLED',
  ] as const)('could not tell where the call failed with %s', async (code) => {
    expect((await probed(code)).honours).toBeUndefined();
  });
});

describe('the simulated server', () => {
  test.each(['lmstudio', 'llamacpp'] as const)('keeps to a schema as %s: probe and votes', async (flavour) => {
    const options = { flavour, speed: 1_000, rates: NO_RATES, models: [{ id: 'm' }] };
    const server = new SimulatorServer(resolveSimulatorOptions(options), systemClock);
    const baseURL = `http://127.0.0.1:${await server.listen()}/v1`;
    const client = new ModelClient({ name: 'local', baseURL }, systemClock, 2);
    try {
      expect(await probeSchema(client, 'm', 5_000)).toBe(true);
      for (const actions of [
        ['attack', 'block', 'retreat'],
        ['0', '1', '2'],
      ]) {
        for (const stream of [true, false]) {
          const observation = { scene: 'combat', health: 20, inCombat: true };
          const situation = situationOf({ agent: 'a', observation, actions }, 64);
          const content = renderSituation(skyrim, situation, 'json');
          const call: ChatCall = {
            model: 'm',
            messages: [{ role: 'user', content }],
            maxTokens: 300,
            temperature: 0,
            timeoutMs: 5_000,
            schema: answerSchema(actions, { thinks: true }),
            stream,
          };
          const result = await askForVote(client, call, actions, new AbortController().signal);
          expect(result).toMatchObject({ ok: true, report: { keptSchema: true } });
        }
      }
    } finally {
      await client.close();
      await server.close();
    }
  });
});
