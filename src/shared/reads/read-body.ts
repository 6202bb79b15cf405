import { renderRole } from '../situation.ts';
import { wellFormedJson } from '../well-formed.ts';
import { OptionOrder } from './option-order.ts';
import type { ReadCall, ReadForm, ThinkingSwitch } from './reading.ts';

/** Path of each form, below the base URL. */
export const READ_PATHS: Readonly<Record<ReadForm, string>> = {
  decisions: '/decisions',
  systemone: '/systemone',
  logprobs: '/chat/completions',
};

/** Builds the request of each form. Options are labels, described by the actions, because names may have any length and shape. */
export function readBody(call: ReadCall): Buffer {
  return Buffer.from(wellFormedJson(BODIES[call.form](call)));
}

const BODIES: Readonly<Record<ReadForm, (call: ReadCall) => object>> = {
  decisions: ({ model, system, state, roles, actions, turn }) => ({
    model,
    input: [
      { role: 'system', content: system },
      { role: 'user', content: state },
    ],
    questions: roles.map((name, nth) => {
      const { options } = new OptionOrder(actions, turn, nth);
      const choices = options.map(({ label, action }) => ({ value: label, description: action }));
      return { type: 'choice', name, instructions: renderRole(name), choices };
    }),
  }),
  systemone: ({ model, system, state, roles, actions, turn }) => ({
    model,
    state: `${system}\n\n${state}`,
    questions: Object.fromEntries(
      roles.map((role, nth) => {
        const { options } = new OptionOrder(actions, turn, nth);
        const criteria = Object.fromEntries(options.map(({ label, action }) => [label, action]));
        return [questionId(nth), { type: 'choice', instructions: renderRole(role), criteria }];
      }),
    ),
  }),
  logprobs: ({ model, system, state, messages, roles, alternativesMax, tokensMax, thinkingSwitch }) => ({
    model,
    messages: messages ?? [
      { role: 'system', content: system },
      { role: 'user', content: `${state}\n\n${renderRole(roles[0] ?? '')}` },
    ],
    max_tokens: tokensMax ?? 1,
    temperature: 0,
    stream: false,
    logprobs: true,
    top_logprobs: alternativesMax,
    ...(thinkingSwitch === undefined ? {} : THINKING_OFF[thinkingSwitch]),
  }),
};

const THINKING_OFF: Readonly<Record<ThinkingSwitch, object>> = {
  template: { chat_template_kwargs: { enable_thinking: false } },
  effort: { reasoning_effort: 'none' },
};

/** Returns our own id of a question, because names of roles may have any shape. */
export function questionId(index: number): string {
  return `q${index + 1}`;
}
