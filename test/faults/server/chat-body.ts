import { parseRead } from '../../../src/workers/simulator/reads/read-forms.ts';
import type { ReadQuestion } from '../../../src/workers/simulator/reads/read-request.ts';

/** What the fault server reads of a chat request. */
export interface ChatBody {
  readonly model: string;
  readonly isStreamed: boolean;
  readonly wantsJson: boolean;
  /** Whether it asks for the tokens. */
  readonly hasStreamOptions: boolean;
  /** The text of all messages, whatever they are made of. */
  readonly text: string;
  /** What is to be read in place of a written answer. */
  readonly read?: ReadBody;
}

/** A chat asks for the log probabilities of its first token; the others have questions. */
export type ReadBody =
  | { readonly form: 'logprobs'; readonly top: number }
  | { readonly form: 'systemone' | 'decisions'; readonly questions: readonly ReadQuestion[] };

/** A request in one of the forms of reads that have a path of their own, or what is wrong with it. */
export function readReadBody(form: 'systemone' | 'decisions', json: string): ChatBody | string {
  const request = parseRead(form, json, 'llamacpp');
  if (typeof request === 'string') return request;
  const { model, text, questions } = request;
  return { model, isStreamed: false, wantsJson: false, hasStreamOptions: false, text, read: { form, questions } };
}

export function readChatBody(json: string): ChatBody {
  const {
    messages,
    model,
    stream,
    stream_options,
    response_format,
    logprobs,
    top_logprobs = 0,
  } = JSON.parse(json) as {
    messages: { content: string | { text?: string }[] }[];
    model: string;
    stream?: boolean;
    stream_options?: unknown;
    response_format?: { type?: string };
    logprobs?: boolean;
    top_logprobs?: number;
  };
  const text = messages
    .map(({ content }) => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n')))
    .join('\n');
  return {
    model,
    isStreamed: stream === true,
    wantsJson: response_format?.type === 'json_schema',
    hasStreamOptions: stream_options !== undefined,
    text,
    ...(logprobs === true ? { read: { form: 'logprobs', top: top_logprobs } as const } : {}),
  };
}
