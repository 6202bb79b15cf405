import { request } from './make-planner.ts';

/** Inputs of every door, whole and right or wrong in known ways: what mutations begin with. */
const PLANS: readonly object[] = [
  request(),
  { ...request(), timeoutMs: 5, priority: -1, qValues: { attack: 1, block: -0.5 } },
  request({ agent: 'é 你 \u{1f600}', actions: ['\u2028', '"', '\\', '1', '2', '-1', '__proto__'] }),
  request({ actions: Array.from({ length: 300 }, (_, index) => `act ${index}`) }),
  { ...request(), extra: { a: [[[{}]]] } },
];

const MESSAGES = [{ role: 'user', content: 'hi' }];
const CHATS: readonly object[] = [
  { model: 'm', messages: MESSAGES },
  { model: 'm', messages: MESSAGES, temperature: 0, seed: 1, stream: true, stream_options: { include_usage: true } },
  { model: 'a/b-7b:2', messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }], tools: [], n: 2 },
  { model: 'nothing like it', messages: [], ignore_eos: true, response_format: { type: 'json_object' } },
];

const call = (id: unknown, method: string, params?: unknown) => ({ jsonrpc: '2.0', id, method, params });
const LINES: readonly unknown[] = [
  ...PLANS.map((plan, index) => call(index, 'plan', plan)),
  call('p', 'peek', request()),
  call(null, 'stats'),
  call('c', '$/cancel', { id: 1 }),
  [call(9, 'ping'), call(10, 'plan', request()), 3],
];

const ANSWERS: readonly string[] = [
  '2\nIt is safe.',
  'ACTION: block\nREASON: it is near.',
  '{"thought":"Attack? No.","choice":2,"confidence":0.8,"reason":"It is \\"safe\\"."}',
  '```json\n{"action": "attack", "reasoning": "because"}\n```',
  '<think>attack or block</think>I choose option 2, not option 1.',
  '<|channel|>analysis<|message|>attack<|end|><|channel|>final<|message|>block',
  '1. attack\n2. block\nSo \\boxed{\\text{block}}',
  '选择2，因为敌人很近。',
  `{"choice":"${'attack '.repeat(500)}"}`,
];

const bytes = (rows: readonly unknown[]): readonly Buffer[] => rows.map((row) => Buffer.from(JSON.stringify(row)));

export const DOOR_ROWS = {
  plans: bytes(PLANS),
  chats: bytes(CHATS),
  lines: bytes(LINES),
  answers: ANSWERS.map((answer) => Buffer.from(answer)),
} as const;
