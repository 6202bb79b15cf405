import { Pool } from 'undici';
import { MAX_TOKENS, MODEL, TEMPERATURE } from '../requests.ts';
import { type Ask, planByHand } from './by-hand.ts';
import type { Contestant } from './contestant.ts';

interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

/** undici by hand, without streaming: about the least that five calls can cost in Node. */
export function create(baseURL: string): Contestant {
  const { origin, pathname } = new URL(baseURL);
  const pool = new Pool(origin, { connections: 64 });
  const ask: Ask = async (messages) => {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: `${pathname}/chat/completions`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, messages, max_tokens: MAX_TOKENS, temperature: TEMPERATURE }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${statusCode} ${text}`);
    return (JSON.parse(text) as Completion).choices[0]?.message.content ?? '';
  };
  return { plan: (request) => planByHand(request, ask), close: () => pool.close() };
}
