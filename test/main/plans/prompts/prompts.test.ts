import { describe, expect, test } from 'vitest';
import { AnswerForms } from '../../../../src/main/models/forms/answer-form.ts';
import type { ModelEndpoint } from '../../../../src/main/models/model-endpoint.ts';
import { TokenRatios } from '../../../../src/main/models/time/token-ratios.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { Prompts } from '../../../../src/main/plans/prompts/prompts.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import type { ErrorCode } from '../../../../src/shared/errors.ts';
import { situationOf } from '../../../../src/shared/situation.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const AT = { endpoint: 'local', model: 'm' };
const PREAMBLE = { roles: ['threat_assessment'] };
const observation = { scene: 'combat', health: 41, inCombat: true, visual: 'A wolf. '.repeat(200) };
const SITUATION = situationOf({ agent: 'a', observation, actions: ['attack', 'block'] }, 64);

function make(contextLength: number): Prompts {
  const ratios = new TokenRatios();
  const endpoint = {
    facts: { models: [{ id: 'm', contextLength }] },
    charsOf: (model: string, tokens: number) => ratios.charsOf(model, tokens),
    learnTokens: (model: string, chars: number, tokens: number) => ratios.learn(model, chars, tokens),
  } as unknown as ModelEndpoint;
  const options = resolveOptions({
    domain: skyrim,
    endpoints: { local: { baseURL: 'http://127.0.0.1:9/v1' } },
    experts: [{ role: 'threat_assessment', model: 'm' }],
  });
  const forms = new AnswerForms(new FakeClock());
  const endpoints = new Map([['local', endpoint]]);
  return new Prompts({ options, endpoints, forms, readForms: undefined, thinks: () => false });
}

function refused(message: string, code: ErrorCode = 'ERR_MODEL_REJECTED') {
  return { ok: false, error: { code, message, retryable: false }, report: { totalMs: 1 } } as const;
}

describe('a server that refuses a prompt as too long', () => {
  const sent = (prompts: Prompts) => prompts.fitted(AT, SITUATION, PREAMBLE, PREAMBLE.roles, 64);

  test.each([
    ['llama.cpp', '400 request (1100 tokens) exceeds the available context size (800 tokens), try increasing it'],
    [
      'vLLM',
      "400 This model's maximum context length is 800 tokens. However, you requested 1100 tokens (1036 in the messages, 64 in the completion).",
    ],
  ])('teaches how many tokens its characters are: %s', (_, message) => {
    const prompts = make(800);
    const before = sent(prompts);
    expect(before.trimmed).toBeUndefined();
    prompts.ended(AT, before, refused(message));
    expect(sent(prompts).trimmed).toMatch(/^visual cut to \d+ characters$/);
  });

  test.each([
    ['another reason', refused('400 no such thing, 9000 tokens')],
    ['another failure', refused('500 context of 9000 tokens', 'ERR_MODEL_STATUS')],
    ['no number', refused('400 the context is too small')],
    ['an answer', { ok: true, vote: { action: 'block', reason: '' }, report: { totalMs: 1 } } as const],
  ])('learns nothing from %s', (_, result) => {
    const prompts = make(800);
    prompts.ended(AT, sent(prompts), result);
    expect(sent(prompts).trimmed).toBeUndefined();
  });
});
