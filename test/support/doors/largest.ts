import { EVENT_CHARS_MAX } from '../../../src/shared/model-client/sse.ts';
import { REQUEST_LIMITS } from '../../../src/shared/plan-request.ts';
import { JSON_LIMITS } from '../../../src/shared/untrusted-json.ts';
import { REQUEST } from '../rows/plan-rows.ts';

const ACTIONS = Array.from({ length: REQUEST_LIMITS.actions }, (_, index) => `act ${index}`);
const PLAN = {
  ...REQUEST,
  actions: ACTIONS,
  qValues: Object.fromEntries(ACTIONS.map((action, index) => [action, index / 2])),
};
/** `chat.bodyBytesMax`, less what stands around the text. */
const TEXT = 'wolf '.repeat((24 * 1_048_576 - 200) / 5);
const ANSWER_CHARS = 200_000;
const { members: WIDTH, membersInAll } = JSON_LIMITS;
/** Of two members each, beside the members of what they stand in. */
const PAIRS = Math.floor((membersInAll - 100) / 3);

function many<T>(count: number, make: (nth: number) => T): T[] {
  return Array.from({ length: count }, (_, nth) => make(nth));
}

/** An object of as many members as may be. */
function wide<T>(count: number, make: (nth: number) => T): Record<string, T> {
  return Object.fromEntries(many(count, (nth) => [`name${nth}`, make(nth)]));
}

/** A chat that is asked for by its key where it is short enough for one. */
function chat(more: object): string {
  return JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], temperature: 0, ...more });
}

const TOOL = { parameters: { type: 'object', properties: wide(WIDTH, () => ({ type: 'string' })) } };
const PARTS = many(PAIRS, (nth) => ({ type: 'text', text: `part ${nth}` }));

/** The largest inputs that each door takes as right. */
export const LARGEST = {
  plan: { plan: JSON.stringify(PLAN) },
  line: { line: JSON.stringify({ jsonrpc: '2.0', id: 'largest', method: 'plan', params: PLAN }) },
  chat: {
    'a long text': chat({ messages: [{ role: 'user', content: TEXT }] }),
    'many messages': chat({ messages: many(PAIRS, (nth) => ({ role: 'user', content: `word ${nth}` })) }),
    'many parts': chat({ messages: [{ role: 'user', content: PARTS }] }),
    'a wide tool': chat({ tools: [{ type: 'function', function: { name: 'f', ...TOOL } }] }),
    'many tools': chat({ tools: many(WIDTH / 2, (nth) => ({ type: 'function', function: { name: `f${nth}` } })) }),
    'a wide member': chat({ metadata: wide(WIDTH, () => '') }),
    'a wide member with a key': chat({ logit_bias: Object.fromEntries(many(WIDTH, (nth) => [nth, 1])) }),
    'many members': chat(wide(WIDTH - 3, () => 1)),
    'long texts, many of them half a character': chat({
      messages: many(8, () => ({ role: 'user', content: '\ud800 '.repeat(300_000) })),
    }),
  },
  passed: { 'a long text': JSON.stringify({ model: 'm', input: TEXT }) },
  answer: { answer: `{"choice":"${'attack '.repeat(ANSWER_CHARS / 7)}"}` },
  /** Of one event of a model server. */
  eventChars: EVENT_CHARS_MAX - 200,
} as const;
