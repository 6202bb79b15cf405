import type { Exchange } from './scripted-server.ts';

/**
 * Answers in the shapes that real servers send, each with the right value, for every door by which an answer comes in: plans,
 * chats streamed and whole, and the cache.
 */
export interface AnswerShape {
  readonly name: string;
  readonly bytes: string;
  /** Default `text/event-stream`; null for none. */
  readonly type?: string | null;
  /** The code of its failure. Default: an answer that says `SHAPE_WORDS`. */
  readonly failure?: string;
  /** The code where it is a plan's, whose choice may be certain before the answer fails. */
  readonly planFailure?: string;
  /** The answer is not kept: a server may have put it otherwise in one piece. */
  readonly isNotKept?: boolean;
}

export const SHAPE_WORDS = '2\nIt is safe';
const FIRST = '2\nIt';
const REST = ' is safe';

const event = (data: unknown): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const delta = (part: object | null, finish_reason: unknown = null, more: object = {}): string =>
  event({ id: 'c', model: 'm', choices: [{ index: 0, delta: part, finish_reason }], ...more });
const USAGE = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
const STOP = delta({}, 'stop');
const DONE = event('[DONE]');
const WORDS = delta({ role: 'assistant', content: FIRST }) + delta({ content: REST });
const STREAM = WORDS + STOP + event({ id: 'c', model: 'm', choices: [], usage: USAGE }) + DONE;
const BODY = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: SHAPE_WORDS }, finish_reason: 'stop' }],
  usage: USAGE,
});
const withError = (error: unknown): string => BODY.replace(/\}$/, `,"error":${JSON.stringify(error)}}`);
const text = (value: string): object => ({ type: 'text', text: value });

export const ANSWER_SHAPES: readonly AnswerShape[] = [
  { name: 'a stream as it should be', bytes: STREAM },
  { name: 'a body as it should be', bytes: BODY, type: 'application/json' },

  // Finish reasons that are none.
  ...['', ' ', 'null', 'None', 'undefined', 0, false].flatMap((reason): AnswerShape[] => [
    {
      name: `finish_reason ${JSON.stringify(reason)} with each event`,
      bytes: delta({ content: FIRST }, reason) + delta({ content: REST }, reason) + STOP + DONE,
    },
    {
      name: `finish_reason ${JSON.stringify(reason)}, and then cut`,
      bytes: delta({ content: '1' }, reason),
      failure: 'ERR_MODEL_RESET',
    },
  ]),

  // Parts.
  {
    name: 'words in lists of parts',
    bytes: delta({ content: [text(FIRST)] }) + delta({ content: [text(' is'), text(' safe')] }) + STOP + DONE,
    isNotKept: true,
  },
  {
    name: 'words and thoughts in lists of parts',
    bytes:
      delta({ content: [{ type: 'thinking', thinking: [text('attack, or not')] }] }) +
      delta({ content: FIRST }) +
      delta({ content: [text(REST)] }) +
      STOP +
      DONE,
    isNotKept: true,
  },
  {
    name: 'thoughts in reasoning_details',
    bytes:
      delta({ content: '', reasoning_details: [{ type: 'reasoning.text', text: 'attack', index: 0 }] }) +
      delta({ content: '', reasoning_details: [{ type: 'reasoning.text', text: ' it', index: 0 }] }) +
      WORDS +
      STOP +
      DONE,
    isNotKept: true,
  },
  {
    name: 'a list of parts in a body',
    bytes: BODY.replace(JSON.stringify(SHAPE_WORDS), JSON.stringify([text(SHAPE_WORDS)])),
    type: 'application/json',
    isNotKept: true,
  },

  // No choice.
  { name: '[DONE] alone', bytes: DONE, failure: 'ERR_MODEL_EMPTY' },
  { name: 'events without a choice', bytes: event({ model: 'm', choices: [] }) + DONE, failure: 'ERR_MODEL_EMPTY' },
  { name: 'choices that are null', bytes: event({ choices: [null] }) + DONE, failure: 'ERR_MODEL_EMPTY' },
  { name: 'a body without a choice', bytes: '{"choices":[]}', type: 'application/json', failure: 'ERR_MODEL_EMPTY' },
  {
    name: 'a body with an empty choice',
    bytes: '{"choices":[{}]}',
    type: 'application/json',
    failure: 'ERR_MODEL_EMPTY',
  },
  { name: 'a body without choices', bytes: '{"id":"c"}', type: 'application/json', failure: 'ERR_MODEL_MALFORMED' },

  // Errors that are flat, and errors that are none.
  ...[
    { object: 'error', message: 'Compute error.', code: 500 },
    { type: 'error', message: 'Compute error.' },
    { message: 'Compute error.', code: 500 },
    { detail: 'Compute error.' },
    { error: 'Compute error.' },
    { error: { message: 'Compute error.', code: 0 } },
  ].flatMap((error): AnswerShape[] => [
    { name: `the event ${JSON.stringify(error)}`, bytes: event(error) + DONE, failure: 'ERR_MODEL_STATUS' },
    { name: `the event ${JSON.stringify(error)} without [DONE]`, bytes: event(error), failure: 'ERR_MODEL_STATUS' },
    {
      name: `the body ${JSON.stringify(error)}`,
      bytes: JSON.stringify(error),
      type: 'application/json',
      failure: 'ERR_MODEL_STATUS',
    },
  ]),
  {
    name: 'an event named error',
    bytes: 'event: error\ndata: {"x":"Compute error."}\n\n',
    failure: 'ERR_MODEL_STATUS',
  },
  {
    name: 'words of progress beside an answer',
    bytes: event({ status: 'loading', message: 'Loading model' }) + STREAM,
  },
  ...[null, '', ' ', false, 0, [], {}, { message: '', code: null }].flatMap((error): AnswerShape[] => [
    { name: `error ${JSON.stringify(error)} beside a body`, bytes: withError(error), type: 'application/json' },
    {
      name: `error ${JSON.stringify(error)} beside events`,
      bytes: delta({ content: FIRST }, null, { error }) + delta({ content: REST }, null, { error }) + STOP + DONE,
    },
  ]),

  // Usage.
  ...[null, undefined].map(
    (choices): AnswerShape => ({
      name: `the usage event with choices ${choices}`,
      bytes: `${WORDS}${STOP}${event({ id: 'c', model: 'm', choices, usage: USAGE })}${DONE}`,
    }),
  ),
  {
    name: 'timings with the usage',
    bytes: `${WORDS}${STOP}${event({ choices: [], usage: USAGE, timings: { cache_n: 1, prompt_n: 6 } })}${DONE}`,
  },

  // Events.
  { name: 'a byte order mark', bytes: `\ufeff${STREAM}` },
  { name: 'CR line ends', bytes: STREAM.replaceAll('\n', '\r') },
  { name: 'CRLF line ends', bytes: STREAM.replaceAll('\n', '\r\n') },
  { name: 'blanks around [DONE]', bytes: `${WORDS}${STOP}data:   [DONE] \t\n\n` },
  { name: 'no finish reason, and blanks around [DONE]', bytes: `${WORDS}data: [DONE] \n\n`, isNotKept: true },
  ...[
    'TEXT/EVENT-STREAM',
    'text/plain',
    'application/json',
    'application/octet-stream',
    'text/event-stream; charset=utf-8',
    null,
  ].map((type): AnswerShape => ({ name: `events as ${type}`, bytes: STREAM, type })),
  { name: 'events as application/json after a comment', bytes: `: waiting\n\n${STREAM}`, type: 'application/json' },
  { name: 'events as application/json after white space', bytes: `\n\n \n${STREAM}`, type: 'application/json' },
  ...['text/event-stream', 'text/plain', 'APPLICATION/JSON', null].map(
    (type): AnswerShape => ({ name: `a body as ${type}`, bytes: BODY, type }),
  ),
  { name: 'a body after a byte order mark and white space', bytes: `\ufeff \n${BODY}`, type: 'application/json' },
  {
    name: 'an error as text/event-stream',
    bytes: '{"error":{"message":"Compute error."}}',
    failure: 'ERR_MODEL_STATUS',
  },
  { name: 'a page', bytes: '<html><body>no</body></html>', type: 'text/html', failure: 'ERR_MODEL_MALFORMED' },
  { name: 'a page as text/event-stream', bytes: '<html><body>no</body></html>', failure: 'ERR_MODEL_MALFORMED' },
  { name: 'nothing', bytes: '', type: 'application/json', failure: 'ERR_MODEL_EMPTY' },

  // A long event.
  {
    name: 'an event of 3 million characters',
    bytes: `${WORDS}${delta({ images: [{ type: 'image_url', image_url: { url: 'x'.repeat(3_000_000) } }] })}${STOP}${DONE}`,
    isNotKept: true,
  },
  {
    name: 'a first event of 3 million characters',
    bytes: `${delta({ content: '', images: [{ type: 'image_url', image_url: { url: 'x'.repeat(3_000_000) } }] })}${WORDS}${STOP}${DONE}`,
    isNotKept: true,
  },
];

export function sendShape({ response }: Exchange, { bytes, type = 'text/event-stream' }: AnswerShape): void {
  response.writeHead(200, type === null ? {} : { 'content-type': type });
  response.end(bytes);
}
