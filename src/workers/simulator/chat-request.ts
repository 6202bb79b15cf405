import { hash } from 'node:crypto';
import { wellFormed } from '../../shared/well-formed.ts';
import type { MachinePrompt } from './machine-job.ts';

/** The parts of a chat request that the simulated server reads. */
export interface ChatRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
  /** Number of answers asked for (`n`). */
  readonly choices: number;
  /** False if a text contains half of a surrogate pair. */
  readonly isUnicode: boolean;
  /** All text parts of all messages. */
  readonly text: string;
  readonly prompt: MachinePrompt;
  /** The properties of the requested JSON schema. */
  readonly schemaProperties: Readonly<Record<string, object>> | undefined;
  /** Number of alternatives whose log probabilities are requested for each token; undefined if no log probabilities are, not even the token's. */
  readonly topLogprobs: number | undefined;
  /** False if the request disables thoughts. */
  readonly mayThink: boolean;
}

interface Body {
  readonly model?: unknown;
  readonly messages?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: unknown } | null;
  readonly n?: unknown;
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly logprobs?: unknown;
  readonly top_logprobs?: unknown;
  readonly chat_template_kwargs?: { readonly enable_thinking?: unknown } | null;
  readonly reasoning_effort?: unknown;
  readonly response_format?: { readonly json_schema?: { readonly schema?: { readonly properties?: unknown } } } | null;
}

interface Part {
  readonly type?: unknown;
  readonly text?: unknown;
  readonly image_url?: { readonly url?: unknown };
}

interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
}

/** The request, or a sentence that describes what is wrong with it. */
export function parseChatRequest(json: string): ChatRequest | string {
  let body: Body;
  try {
    body = JSON.parse(json) as Body;
  } catch {
    return 'the request body is not JSON';
  }
  if (body === null || typeof body !== 'object') return 'the request body must be an object';
  if (!Array.isArray(body.messages) || body.messages.length === 0) return "'messages' must be a list that is not empty";
  const { top_logprobs: top = 0 } = body;
  if (!Number.isInteger(top) || (top as number) < 0) return "'top_logprobs' must be a whole number of at least 0";
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  const properties = body.response_format?.json_schema?.schema?.properties;
  return {
    model: typeof body.model === 'string' ? body.model : '',
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
    maxTokens: typeof maxTokens === 'number' && maxTokens > 0 ? Math.floor(maxTokens) : undefined,
    choices: typeof body.n === 'number' && body.n >= 1 ? Math.floor(body.n) : 1,
    isUnicode: wellFormed(body) === body,
    ...readMessages(body.messages as Message[]),
    schemaProperties:
      properties !== null && typeof properties === 'object' ? (properties as Record<string, object>) : undefined,
    topLogprobs: body.logprobs === true ? (top as number) : undefined,
    mayThink: body.chat_template_kwargs?.enable_thinking !== false && body.reasoning_effort !== 'none',
  };
}

export function readMessages(messages: readonly Message[]): Pick<ChatRequest, 'text' | 'prompt'> {
  const texts: string[] = [];
  let read = '';
  let images = 0;
  let imagesEnd = 0;
  for (const message of messages) {
    read += `<|${String(message?.role)}|>\n`;
    for (const part of partsOf(message?.content)) {
      if (typeof part === 'string') {
        texts.push(part);
        read += `${part}\n`;
      } else {
        images++;
        read += `<|image ${hash('sha1', part.url)}|>\n`;
        imagesEnd = read.length;
      }
    }
  }
  return { text: texts.join('\n\n'), prompt: { text: read, images, imagesEnd } };
}

function partsOf(content: unknown): (string | { readonly url: string })[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  const parts: (string | { readonly url: string })[] = [];
  for (const part of content as (Part | null)[]) {
    if (typeof part?.text === 'string') parts.push(part.text);
    else if (typeof part?.image_url?.url === 'string') parts.push({ url: part.image_url.url });
  }
  return parts;
}
