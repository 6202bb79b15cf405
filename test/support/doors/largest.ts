import { EVENT_CHARS_MAX } from '../../../src/shared/model-client/sse.ts';
import { REQUEST_LIMITS } from '../../../src/shared/plan-request.ts';
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

/** The largest input that each door takes as right. */
export const LARGEST = {
  plan: JSON.stringify(PLAN),
  line: JSON.stringify({ jsonrpc: '2.0', id: 'largest', method: 'plan', params: PLAN }),
  chat: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: TEXT }] }),
  passed: JSON.stringify({ model: 'm', input: TEXT }),
  answer: `{"choice":"${'attack '.repeat(ANSWER_CHARS / 7)}"}`,
  /** Of one event of a model server. */
  eventChars: EVENT_CHARS_MAX - 200,
} as const;
