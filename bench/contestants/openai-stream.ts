import OpenAI from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { MAX_TOKENS, MODEL, TEMPERATURE } from '../requests.ts';
import { type Ask, planByHand } from './by-hand.ts';
import type { Contestant } from './contestant.ts';

/** The openai SDK as it comes, streaming as Conclave does. */
export function create(baseURL: string): Contestant {
  const client = new OpenAI({ baseURL, apiKey: 'not-needed' });
  const ask: Ask = async (messages) => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: messages as ChatCompletionMessageParam[],
      max_tokens: MAX_TOKENS,
      temperature: TEMPERATURE,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    for await (const chunk of stream) content += chunk.choices[0]?.delta.content ?? '';
    return content;
  };
  return { plan: (request) => planByHand(request, ask), close: async () => {} };
}
