import type { Clock } from '../../../shared/clock.ts';
import { describeValue } from '../../../shared/errors.ts';
import { type OutlineFault, type Span, TopMembers, valueAt } from '../../../shared/top-members.ts';
import { BOUNDS_RULES, isUtf16, UTF16_RULE } from '../../../shared/untrusted-json.ts';
import { answersAsked, checkModel, invalid } from '../chat-request.ts';

/** Routes whose requests are passed on as bytes, and their paths below a base URL: OpenAI's, and that of System One. */
export const PASSED_PATHS = {
  responses: '/responses',
  completions: '/completions',
  embeddings: '/embeddings',
  decisions: '/decisions',
  systemone: '/systemone',
} as const;

export type PassedRoute = keyof typeof PASSED_PATHS;

/** The parts of a passed-on request that are read. */
export interface AskedPass {
  readonly route: PassedRoute;
  /** The bytes as received, without a byte order mark. */
  readonly bytes: Buffer;
  readonly model: string;
  readonly modelSpans: readonly Span[];
  /** Values that name who asks: they do not change the answer. */
  readonly askerSpans: readonly Span[];
  readonly hasPictures: boolean;
  /** True if the client wants events. */
  readonly isStreamed: boolean;
  /** Number of answers asked for. */
  readonly choices: number;
  /** True if it asks for one answer only. */
  readonly isSingle: boolean;
  /** Present if the request refers to something that a server stores: no other server can answer it. */
  readonly state?: { readonly previousId?: string };
}

/** Members that refer to something that a server stores. */
const OF_STATE = ['previous_response_id', 'conversation', 'background'] as const;
/** Members that name who asks. */
const OF_ASKER = ['safety_identifier', 'request_id'] as const;
const WANTED = ['model', 'stream', 'n', 'prompt', ...OF_STATE, ...OF_ASKER];
/** Larger bodies are read over several turns of the event loop. */
const TURN_BYTES = 65_536;
/** How each route marks an image. Within a text, the mark would be escaped with backslashes. */
const PICTURES: Readonly<Partial<Record<PassedRoute, readonly string[]>>> = {
  responses: ['"input_image"'],
  decisions: ['"input_image"'],
  systemone: ['"image_url"', '"images"', '"files"'],
};
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const RULES: Readonly<Record<OutlineFault, string>> = {
  'no-object': 'must be a JSON object',
  'too-deep': BOUNDS_RULES['too-deep'],
};

/** Reads a request, whose bytes must not change later. Rejects with ERR_REQUEST_INVALID. */
export async function readPassed(route: PassedRoute, given: unknown, clock: Clock): Promise<AskedPass> {
  if (!(given instanceof Uint8Array)) throw invalid(`the request must be bytes, got ${describeValue(given)}`);
  const all = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  if (isUtf16(all)) throw invalid(`the request ${UTF16_RULE}`);
  const bytes = all.subarray(0, MARK.length).equals(MARK) ? all.subarray(MARK.length) : all;
  const members = await outlineOf(bytes, clock);
  if (members.fault !== undefined) throw invalid(`the request ${RULES[members.fault]}`);
  return asked(route, bytes, members);
}

async function outlineOf(bytes: Buffer, clock: Clock): Promise<TopMembers> {
  const members = new TopMembers(WANTED);
  for (let at = 0; at < bytes.length; at += TURN_BYTES) {
    if (at > 0) await new Promise<void>((resolve) => clock.nextTurn(resolve));
    members.push(bytes.subarray(at, at + TURN_BYTES));
  }
  return members;
}

function asked(route: PassedRoute, bytes: Buffer, members: TopMembers): AskedPass {
  const valueFor = (name: string): unknown => {
    const span = members.spansOf(name).at(-1);
    return span === undefined ? undefined : readValue(name, bytes.subarray(span.start, span.end));
  };
  const model = valueFor('model');
  checkModel(model);
  const choices = route === 'completions' ? answersAsked(valueFor('n')) : 1;
  const state = stateOf(valueFor);
  return {
    route,
    bytes,
    model,
    hasPictures: PICTURES[route]?.some((mark) => bytes.includes(mark)) ?? false,
    modelSpans: members.spansOf('model'),
    askerSpans: OF_ASKER.flatMap((name) => members.spansOf(name)),
    isStreamed: valueFor('stream') === true,
    choices,
    isSingle: choices === 1 && !isList(bytes, members.spansOf('prompt').at(-1)),
    ...(route === 'responses' && state !== undefined ? { state } : {}),
  };
}

const VALUE_BYTES_MAX = 8_192;

/** A long value has none of the forms looked for here, so only its presence counts. */
function readValue(name: string, bytes: Buffer): unknown {
  if (name === 'prompt' || bytes.length > VALUE_BYTES_MAX) return 'x'.repeat(name === 'model' ? VALUE_BYTES_MAX : 1);
  const value = valueAt(bytes);
  if (value === undefined) throw invalid(`${name} must be JSON`);
  return value;
}

function isList(bytes: Buffer, span: Span | undefined): boolean {
  return span !== undefined && bytes[span.start] === 0x5b;
}

function stateOf(valueFor: (name: string) => unknown): AskedPass['state'] {
  const [previousId, conversation, background] = OF_STATE.map(valueFor);
  const refers = [previousId, conversation, background].some(
    (value) => value !== undefined && value !== null && value !== false && value !== '',
  );
  if (!refers) return undefined;
  return typeof previousId === 'string' && previousId !== '' ? { previousId } : {};
}

/** The bytes for a server that has the model under this name; only the name changes. */
export function bytesFor({ bytes, model, modelSpans }: AskedPass, name: string): Buffer {
  if (name === model) return bytes;
  const named = Buffer.from(JSON.stringify(name));
  const [first, ...others] = piecesAround(bytes, modelSpans);
  return Buffer.concat([first as Buffer, ...others.flatMap((piece) => [named, piece])]);
}

/** The bytes before, between and after the spans, which are in order. */
export function piecesAround(bytes: Buffer, spans: readonly Span[]): Buffer[] {
  const starts = [0, ...spans.map(({ end }) => end)];
  return starts.map((start, nth) => bytes.subarray(start, spans[nth]?.start));
}
