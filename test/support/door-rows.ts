import { ANSWER_SHAPES } from './answer-shapes.ts';
import { rawPlan } from './open-face.ts';
import { JSON_ROWS } from './rows/json-rows.ts';
import { lineValues } from './rows/line-rows.ts';
import { BAD_PLANS, GOOD_PLANS, REQUEST, withActions } from './rows/plan-rows.ts';
import { STREAM_OPTIONS_REFUSED, STREAM_REFUSED } from './rows/refusal-rows.ts';
import { textsOf } from './rows/table-texts.ts';

/** What a model server answers with. */
export interface ServerAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly bytes: Buffer;
}

/** Rows longer than this are for the largest request; what they test is a length. */
const CHARS_MAX = 1_200_000;

const PLANS: readonly unknown[] = [
  REQUEST,
  { ...REQUEST, timeoutMs: 5, priority: -1, qValues: { attack: 1, block: -0.5 } },
  { ...withActions(['\u2028', '"', '\\', '1', '2', '-1', '__proto__']), agent: 'é 你 \u{1f600}' },
  withActions(Array.from({ length: 300 }, (_, index) => `act ${index}`)),
  { ...REQUEST, extra: { a: [[[{}]]] } },
  ...[...BAD_PLANS, ...GOOD_PLANS].map(([, request]) => request),
];

const FUTURES: readonly unknown[] = [
  {
    futures: [
      { ...REQUEST, inMs: 100, likelihood: 0.5 },
      { ...REQUEST, agent: 'other' },
    ],
  },
  { futures: [{ ...REQUEST, inMs: -1 }] },
  { futures: {}, more: [] },
  { futures: PLANS.slice(0, 64) },
];

const MESSAGES = [{ role: 'user', content: 'hi' }];
const PICTURE = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
const TOOL = { type: 'function', function: { name: 'act', parameters: { type: 'object', properties: {} } } };
const CHATS: readonly object[] = [
  { model: 'm', messages: MESSAGES },
  { model: 'm', messages: MESSAGES, temperature: 0, seed: 1, stream: true, stream_options: { include_usage: true } },
  { model: 'a/b-7b:2', messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }], tools: [], n: 2 },
  { model: 'nothing like it', messages: [], ignore_eos: true, response_format: { type: 'json_object' } },
  { model: 'm', messages: [{ role: 'user', content: [PICTURE, { type: 'text', text: '\ud800' }] }] },
  { model: 'm', messages: MESSAGES, tools: [TOOL], tool_choice: 'required', logprobs: true, top_logprobs: 2 },
  { model: 'm', messages: MESSAGES, modalities: ['text', 'audio'], audio: { voice: 'x' }, max_tokens: 1 },
  { model: 'conclave', messages: [{ role: 'tool', tool_call_id: 'c', content: null }], stop: ['e'], stream: true },
];
const PASSED: readonly object[] = [
  { model: 'm', input: 'hi' },
  { model: 'm', input: [{ role: 'user', content: 'hi' }], stream: true },
  { model: 'm', input: 'hi', previous_response_id: 'resp_1', store: false, background: null },
  { stream: false, prompt: ['a', 'b'], model: 'a/b-7b', conversation: { id: 'c' } },
];

const ANSWERS: readonly string[] = [
  '<|channel|>analysis<|message|>attack<|end|><|channel|>final<|message|>block',
  '选择2，因为敌人很近。',
  `{"choice":"${'attack '.repeat(500)}"}`,
  ...textsOf('shared/vote/*.test.ts'),
];

const SERVED: readonly ServerAnswer[] = [
  ...ANSWER_SHAPES.map(({ bytes, type = 'text/event-stream' }) => ({ status: 200, type, bytes: Buffer.from(bytes) })),
  ...[
    ...STREAM_OPTIONS_REFUSED,
    ...STREAM_REFUSED.map(([whose, status, error]) => [whose, status, { error }] as const),
  ].map(([, status, said]) => ({ status, type: 'application/json', bytes: Buffer.from(JSON.stringify(said)) })),
].filter(({ bytes }) => bytes.length <= CHARS_MAX);

const REQUESTS: readonly Buffer[] = [
  rawPlan(JSON.stringify(REQUEST)),
  rawPlan(JSON.stringify(REQUEST), ['accept: text/event-stream;q=0.9, */*;q=0.1']),
  rawPlan(JSON.stringify(REQUEST), ['origin: http://evil.example', 'transfer-encoding: chunked']),
  Buffer.from('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'),
  Buffer.from('DELETE /v1/stats?x=%zz HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \xff\r\n\r\n', 'latin1'),
  ...textsOf('main/faces/http/wire.test.ts').map((accept) =>
    rawPlan(JSON.stringify(REQUEST), [`accept: ${accept.replace(/[\r\n]/g, ' ')}`]),
  ),
];

const plainly = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
const texts = (rows: readonly unknown[]): readonly Buffer[] =>
  rows
    .map((row) => JSON.stringify(row, plainly) ?? 'undefined')
    .filter(({ length }) => length <= CHARS_MAX)
    .map((text) => Buffer.from(text));
const JSON_TEXTS = [...JSON_ROWS.map(([, text]) => text), ...textsOf('shared/top-members.test.ts')]
  .filter(({ length }) => length <= CHARS_MAX)
  .map((text) => Buffer.from(text));
const call = (id: unknown, params: unknown) => ({ jsonrpc: '2.0', id, method: 'plan', params });
const plans = texts(PLANS);

/** Inputs of every door, whole and right or wrong in known ways: what mutations begin with. */
export const DOOR_ROWS = {
  plans: [...plans, ...JSON_TEXTS],
  futures: [...texts(FUTURES), ...JSON_TEXTS],
  /** What a structured clone may hold as well. */
  values: plans,
  chats: [...texts(CHATS), ...JSON_TEXTS],
  passed: [...texts(PASSED), ...JSON_TEXTS],
  lines: [...texts([...lineValues(REQUEST), ...PLANS.map((plan, index) => call(index, plan))]), ...JSON_TEXTS],
  requests: REQUESTS,
  answers: ANSWERS.map((answer) => Buffer.from(answer)),
  served: SERVED,
} as const;
