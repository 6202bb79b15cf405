import { renderRole } from '../situation.ts';
import { wellFormedJson } from '../well-formed.ts';
import { labelsFor } from './labels.ts';
import type { ReadCall, ReadForm } from './reading.ts';

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
  decisions: ({ model, system, state, roles, actions }) => {
    const labels = labelsFor(actions);
    const choices = actions.map((action, index) => ({ value: labels[index], description: action }));
    return {
      model,
      input: [
        { role: 'system', content: system },
        { role: 'user', content: state },
      ],
      questions: roles.map((name) => ({ type: 'choice', name, instructions: renderRole(name), choices })),
    };
  },
  systemone: ({ model, system, state, roles, actions }) => {
    const labels = labelsFor(actions);
    const criteria = Object.fromEntries(actions.map((action, index) => [labels[index], action]));
    const question = (instructions: string): object => ({ type: 'choice', instructions, criteria });
    return {
      model,
      state: `${system}\n\n${state}`,
      questions: Object.fromEntries(roles.map((role, index) => [questionId(index), question(renderRole(role))])),
    };
  },
  logprobs: ({ model, system, state, messages, roles, alternativesMax, hasThinkingSwitch }) => ({
    model,
    messages: messages ?? [
      { role: 'system', content: system },
      { role: 'user', content: `${state}\n\n${renderRole(roles[0] ?? '')}` },
    ],
    max_tokens: 1,
    temperature: 0,
    stream: false,
    logprobs: true,
    top_logprobs: alternativesMax,
    ...(hasThinkingSwitch ? { chat_template_kwargs: { enable_thinking: false } } : {}),
  }),
};

/** Returns our own id of a question, because names of roles may have any shape. */
export function questionId(index: number): string {
  return `q${index + 1}`;
}
