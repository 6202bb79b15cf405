import { PlannerError } from '../../src/shared/errors.ts';
import { serverFailure } from '../../src/shared/model-client/failures.ts';
import type { ChatCall } from '../../src/shared/model-client/model-client.ts';
import { pick, type Random, randomIndex } from '../../src/shared/random.ts';

/** The faults of FIELD.md, section 5, as far as they need no socket: what one call meets. */
export const CALL_FAULTS = [
  'refused',
  'resetBefore',
  'blackHole',
  'silent',
  'headersOnly',
  'firstChunkOnly',
  'comments',
  'drip',
  'cut',
  'malformed',
  'errorBody',
  'errorEvent',
  'evicted',
  'empty',
  'reasoning',
  'endlessThought',
  'otherModel',
  'invalidId',
  'noModels',
  'html500',
  'loading503',
  'busy429',
  'schemaRefused',
  'flood',
  'madNumbers',
  'illegal',
  'ambiguous',
  'bug',
] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

/** And what befalls the server as a whole: aborts go unheard, it has half its slots, its models are put out of memory. */
export const SERVER_FAULTS = ['deaf', 'shrunk', 'unloaded'] as const;
export type ServerFault = (typeof SERVER_FAULTS)[number];

/** Those that are over before the model is asked. */
export const REFUSALS: Readonly<Partial<Record<CallFault, (call: ChatCall) => PlannerError>>> = {
  refused: () => new PlannerError('ERR_MODEL_REFUSED', 'cannot connect (ECONNREFUSED)'),
  resetBefore: () => new PlannerError('ERR_MODEL_RESET', 'reset before the response', { retryable: true }),
  invalidId: ({ model }) => serverFailure(400, `Invalid model identifier "${model}"`),
  noModels: () => serverFailure(400, 'No models loaded. Please load a model in the developer page.'),
  html500: () => serverFailure(500, '<html><body><h1>Internal Server Error</h1></body></html>'),
  loading503: () => serverFailure(503, 'Loading model'),
  busy429: () => serverFailure(429, 'Too many requests'),
  schemaRefused: () => serverFailure(400, "'response_format.type' must be 'json_schema' or 'text'", true),
};

export interface Chunk {
  readonly afterMs: number;
  readonly bytes: string;
}

/** All that a server will do for one request, once it has a slot. */
export interface Play {
  readonly isFaulty: boolean;
  /** Without headers. */
  readonly isMute: boolean;
  readonly chunks: readonly Chunk[];
  /** The same in one piece, for a call without a stream. */
  readonly body: string;
  /** `silence` keeps the slot until the client leaves. */
  readonly ending: 'end' | 'reset' | 'silence';
}

export interface Times {
  readonly readMs: number;
  readonly tokenMs: number;
}

const TOKENS = 3;

export function playOf(
  fault: CallFault | undefined,
  call: ChatCall,
  times: Times,
  keepsSchema: boolean,
  random: Random,
): Play {
  const said = answerOf(fault, call, keepsSchema, random);
  const tokenMs = fault === 'drip' ? times.tokenMs * (20 + 80 * random.next()) : times.tokenMs;
  const chunks = wordsOf(said, call, fault).map((bytes, index) => ({
    afterMs: index === 0 ? times.readMs : tokenMs,
    bytes,
  }));
  const base: Play = {
    isFaulty: fault !== undefined,
    isMute: false,
    chunks,
    body: bodyOf(said, call, fault),
    ending: 'end',
  };
  const half = chunks.slice(0, 2);
  const broken = (bytes: string): Play => ({ ...base, chunks: [...half, { afterMs: tokenMs, bytes }], body: bytes });
  switch (fault) {
    case 'silent':
      return { ...base, isMute: true, chunks: [], ending: 'silence' };
    case 'headersOnly':
      return { ...base, chunks: [], ending: 'silence' };
    case 'firstChunkOnly':
      return { ...base, chunks: [event(call.model, { content: '…' }, times.readMs)], ending: 'silence' };
    case 'comments':
      return {
        ...base,
        chunks: Array.from({ length: 8 }, () => ({ afterMs: 250, bytes: ': alive\n\n' })),
        ending: 'silence',
      };
    case 'cut':
      return { ...base, chunks: half, ending: 'reset' };
    case 'malformed':
      return broken('data: {"choices":[{"del\n\n');
    case 'errorEvent':
      return broken('data: {"error":{"code":500,"message":"Compute error."}}\n\n');
    case 'evicted':
      return broken('data: {"error":{"message":"Model was unloaded while the request was still in queue."}}\n\n');
    case 'errorBody':
      return {
        ...base,
        chunks: [{ afterMs: times.readMs, bytes: 'data: {"error":"Model not found"}\n\n' }],
        body: '{"error":"Model not found"}',
      };
    default:
      return base;
  }
}

interface Said {
  readonly content: string;
  readonly reasoning: string;
  readonly finish: 'stop' | 'length';
}

function answerOf(fault: CallFault | undefined, call: ChatCall, keepsSchema: boolean, random: Random): Said {
  const say = (content: string): Said => ({ content, reasoning: '', finish: 'stop' });
  const names = actionsOf(call);
  const isJson = call.schema !== undefined && keepsSchema;
  const index = random.next() < 0.6 ? 0 : randomIndex(random, names.length);
  switch (fault) {
    case 'empty':
      return say('');
    case 'illegal':
      return say('ACTION: dance_the_tango\nBecause nobody offered it.');
    case 'ambiguous':
      return say(`I would ${names[0]} or else ${names.at(-1)}.`);
    case 'endlessThought':
      return { content: `<think>${'hmm '.repeat(50)}`, reasoning: '', finish: 'length' };
    case 'flood':
      return say('flood '.repeat(40_000));
    case 'reasoning':
      return { content: '', reasoning: jsonVote(names, index, random), finish: 'stop' };
    default:
      return say(isJson ? jsonVote(names, index, random) : textVote(names, index));
  }
}

function jsonVote(names: readonly string[], index: number, random: Random): string {
  const choice = isNumbered(names) ? index + 1 : names[index];
  return JSON.stringify({ choice, confidence: Math.round(random.next() * 100) / 100, reason: 'it looks best' });
}

function textVote(names: readonly string[], index: number): string {
  return `${isNumbered(names) ? index + 1 : names[index]}\nIt looks best.`;
}

function isNumbered(names: readonly string[]): boolean {
  return !names.some((name) => /^\d+$/.test(name));
}

/** What the prompt offers; the probe of schemas offers two. */
function actionsOf({ messages }: ChatCall): string[] {
  const content = messages.at(-1)?.content ?? '';
  const text =
    typeof content === 'string' ? content : content.map((part) => ('text' in part ? part.text : '')).join('');
  const list = /ACTIONS\n(.*?)\n\n/s.exec(text)?.[1] ?? '';
  return list.split('\n').map((line) => line.replace(/^(?:\d+\.|-) /, ''));
}

function event(model: string, delta: object, afterMs = 0, more: object = {}): Chunk {
  return { afterMs, bytes: `data: ${JSON.stringify({ model, choices: [{ delta, ...more }] })}\n\n` };
}

function wordsOf({ content, reasoning, finish }: Said, { model }: ChatCall, fault: CallFault | undefined): string[] {
  const answers = fault === 'otherModel' ? 'another/model' : model;
  const delta = content === '' ? { reasoning_content: reasoning } : { content };
  const [[name, text]] = Object.entries(delta) as [[string, string]];
  const size = Math.max(1, Math.ceil(text.length / TOKENS));
  const words = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
    text.slice(at * size, (at + 1) * size),
  );
  const events = words.map((word) => event(answers, { [name]: word }).bytes);
  const last = event(answers, {}, 0, { finish_reason: finish }).bytes;
  return [...events, `${last}${usageOf(fault)}data: [DONE]\n\n`];
}

function usageOf(fault: CallFault | undefined): string {
  if (fault !== 'madNumbers') return 'data: {"usage":{"prompt_tokens":200,"completion_tokens":12}}\n\n';
  return 'data: {"usage":{"prompt_tokens":1e999,"completion_tokens":-7,"prompt_tokens_details":{"cached_tokens":"NaN"}}}\n\n';
}

function bodyOf({ content, reasoning, finish }: Said, { model }: ChatCall, fault: CallFault | undefined): string {
  const message = { content, reasoning_content: reasoning };
  const usage = fault === 'madNumbers' ? { prompt_tokens: 1e300, completion_tokens: 0.5 } : { prompt_tokens: 200 };
  return JSON.stringify({ model, choices: [{ message, finish_reason: finish }], usage });
}

export function drawFault(random: Random): CallFault | ServerFault {
  return random.next() < 0.25 ? pick(random, SERVER_FAULTS) : pick(random, CALL_FAULTS);
}
