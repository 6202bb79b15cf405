import { defined } from '../../shared/defined.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { type InParts, PART_MEMBERS } from '../../shared/in-parts.ts';
import { membersInParts } from '../../shared/json-writing.ts';
import type { RestOfBody } from '../../shared/model-client/chat-relay.ts';
import { BOUNDS_RULES, type Extent, extentInParts } from '../../shared/untrusted-json.ts';
import { wellFormed } from '../../shared/well-formed.ts';

/** A body of `POST /v1/chat/completions` as an OpenAI client sends it. Only `model` and `messages` are checked here; the rest is up to the server. */
type ChatRequestBody = Readonly<Record<string, unknown>> & {
  readonly model: string;
  readonly messages: readonly unknown[];
};

/** The parts of a request that are read in order to serve it. */
export interface AskedChat {
  readonly body: ChatRequestBody;
  /** True if the body has so many members or so much text that it is read and serialized in parts. */
  readonly isLarge: boolean;
  readonly model: string;
  /** True if the client wants events. */
  readonly isStreamed: boolean;
  /** True if it wants the event with the token counts. */
  readonly includesUsage: boolean;
  /** Number of answers asked for. */
  readonly choices: number;
  /** True if the whole answer can be assembled from its events without loss. */
  readonly isAssemblable: boolean;
  readonly hasPictures: boolean;
  /** True if the client asks for the same answer to the same request. */
  readonly isDeterministic: boolean;
}

const CHOICES_MAX = 128;
/** Maximum length of a model name, which may be a file path. Longer ones would take long to compare with the known names. */
export const MODEL_CHARS_MAX = 1_024;

/** Members of OpenAI's own requests, and of servers that take the same. */
const OF_CHATS = `
  model messages tools tool_choice parallel_tool_calls functions function_call response_format stop seed n
  stream stream_options max_tokens max_completion_tokens temperature top_p top_k min_p typical_p
  presence_penalty frequency_penalty repeat_penalty repetition_penalty logit_bias logprobs top_logprobs user
  metadata store service_tier reasoning_effort verbosity prompt_cache_key safety_identifier id_slot cache_prompt
  chat_template_kwargs grammar json_schema keep_alive
`;
/** Samplers, templates and grammars of llama.cpp, vLLM, SGLang, LM Studio and Ollama. */
const OF_SERVERS = `
  ignore_eos min_tokens n_predict n_keep samplers mirostat mirostat_tau mirostat_eta dynatemp_range
  dynatemp_exponent repeat_last_n penalize_nl tfs_z top_a top_n_sigma xtc_probability xtc_threshold
  dry_multiplier dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers length_penalty
  stop_token_ids include_stop_str_in_output skip_special_tokens spaces_between_special_tokens bad_words
  allowed_token_ids guided_json guided_regex guided_choice guided_grammar guided_decoding_backend
  structured_outputs regex ebnf chat_template add_generation_prompt continue_final_message add_special_tokens
  enable_thinking think reasoning_format reasoning_budget priority lora options prediction ttl
`;

/**
 * Request members for which the events of a stream have everything that a whole answer has. With any other member (audio, search, vendors' own), a
 * client that wants a whole answer gets the server's own.
 */
const ASSEMBLABLE: ReadonlySet<string> = new Set(`${OF_CHATS} ${OF_SERVERS}`.trim().split(/\s+/));

/** A body with more characters is large; so is one with more members than one part takes. */
const CHARS_MAX = 1_048_576;

/** True for a value that is read and written in parts. */
export function isLarge({ members, chars }: Extent): boolean {
  return members > PART_MEMBERS || chars > CHARS_MAX;
}

/** Reads a request, which must not change later. Throws ERR_REQUEST_INVALID. */
export function* readChatInParts(body: unknown): InParts<AskedChat> {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    throw invalid(`the request must be an object, got ${describeValue(body)}`);
  }
  const { model, messages, stream, stream_options, n, temperature, seed } = body as Record<string, unknown>;
  checkModel(model);
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid(`messages must be a list that is not empty, got ${describeValue(messages)}`);
  }
  const extent = yield* extentInParts(body);
  if (typeof extent === 'string') throw invalid(`the request ${BOUNDS_RULES[extent]}`);
  const isInParts = isLarge(extent);
  if (isInParts) yield;
  const usage = (stream_options as { include_usage?: unknown } | null | undefined)?.include_usage;
  return {
    // Servers reject text that is not Unicode, so it is mended; all else is unchanged. A large body is mended as it is serialized.
    body: isInParts ? (body as ChatRequestBody) : wellFormed(body as ChatRequestBody),
    isLarge: isInParts,
    model,
    isStreamed: stream === true,
    includesUsage: usage === true,
    choices: answersAsked(n),
    isAssemblable: Object.keys(body).every((member) => ASSEMBLABLE.has(member)),
    hasPictures: messages.some(hasPicture),
    isDeterministic: temperature === 0 || typeof seed === 'number',
  };
}

/** Members of a body that depend on its server. */
const HEAD: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options']);

/** The other members of a large body, which are the same for every server. */
export function* restInParts({ body }: AskedChat): InParts<RestOfBody> {
  return { json: yield* membersInParts(body, HEAD), isConstrained: body.response_format !== undefined };
}

/**
 * The body for a server; for a large body, what precedes the rest of it. Asks for a stream whenever the answer can be assembled from one, with token
 * counts: a stream shows the first token and a stalled answer, and an abort ends its work (docs/decisions/0010). `isAskedWhole`: the server refused a
 * stream that the client did not ask for, so it gets the client's own request.
 */
export function bodyFor(asked: AskedChat, model: string, isAskedWhole = false): Readonly<Record<string, unknown>> {
  const body = asked.isLarge ? headOf(asked.body) : asked.body;
  if (isAskedWhole || !isToldFromStream(asked)) return body.model === model ? body : { ...body, model };
  const given = body.stream_options;
  const options = given !== null && typeof given === 'object' ? given : {};
  return { ...body, model, stream: true, stream_options: { ...options, include_usage: true } };
}

function headOf({ model, stream, stream_options }: ChatRequestBody): Readonly<Record<string, unknown>> {
  return defined({ model, stream, stream_options });
}

function isToldFromStream({ isStreamed, isAssemblable }: AskedChat): boolean {
  return isStreamed || isAssemblable;
}

function hasPicture(message: unknown): boolean {
  const content = (message as { content?: unknown } | null)?.content;
  return Array.isArray(content) && content.some((part) => part?.type === 'image_url' || part?.image_url !== undefined);
}

/** Checks the name of a model. Throws ERR_REQUEST_INVALID. */
export function checkModel(model: unknown): asserts model is string {
  if (typeof model !== 'string' || model === '') {
    throw invalid(`model must be a text that is not empty, got ${describeValue(model)}`);
  }
  if (model.length > MODEL_CHARS_MAX) {
    throw invalid(`model must be at most ${MODEL_CHARS_MAX} characters, got ${model.length}`);
  }
}

/** The number of answers that the member `n` asks for. */
export function answersAsked(n: unknown): number {
  return typeof n === 'number' && Number.isInteger(n) && n > 0 && n <= CHOICES_MAX ? n : 1;
}

export function invalid(message: string): PlannerError {
  return new PlannerError('ERR_REQUEST_INVALID', message);
}
