import { setMember } from '../../../shared/json-parts.ts';
import { type ChunkEvent, finishReasonOf } from '../../../shared/model-client/chat-event.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';
import { type Members, PieceJoiner } from './pieces.ts';
import { argumentsText, joinFunction, ToolCalls } from './tool-calls.ts';

/** Converts between a whole answer and the events of a stream. */
export type Completion = Readonly<Members>;

interface Choice {
  readonly index: number;
  readonly message: Members;
  readonly tools: ToolCalls;
  finishReason: string | null;
  logprobs: Members | null | undefined;
  /** Members of a choice that have no meaning here. */
  readonly rest: Members;
}

/** Members of an answer that a stream sends as texts. */
const TEXTS: ReadonlySet<string> = new Set(['role', 'content', 'reasoning_content', 'reasoning', 'refusal']);
const OF_EVERY_EVENT: ReadonlySet<string> = new Set(['id', 'created', 'model', 'system_fingerprint', 'service_tier']);

const NOT_KEPT: ReadonlySet<string> = new Set(['choices', 'object', 'error']);

/** Assembles a `chat.completion` from the events of its stream: texts, thoughts, tool calls, log probabilities, all choices. */
export class CompletionBuilder {
  readonly #top: Members = {};
  readonly #choices = new Map<number, Choice>();
  readonly #joiner = new PieceJoiner();
  /** True if an event had a member that a whole answer may represent differently. */
  hasUnknown = false;

  add(event: ChunkEvent): void {
    for (const [name, value] of Object.entries(event)) {
      // An event that holds an error is not part of the answer: this one is empty.
      if (!NOT_KEPT.has(name) && value !== null) setMember(this.#top, name, value);
    }
    if (!Array.isArray(event.choices)) return;
    for (const choice of event.choices) if (isRecord(choice)) this.#addChoice(choice);
  }

  build(): Completion {
    const { id, created, model, ...rest } = this.#top;
    const choices = [...this.#choices.values()].sort((a, b) => a.index - b.index).map(wholeChoice);
    return { id, object: 'chat.completion', created, model, choices, ...rest };
  }

  #addChoice(part: Members): void {
    const { index, delta, message, finish_reason, logprobs, ...rest } = part;
    const choice = this.#choiceAt(typeof index === 'number' ? index : 0);
    Object.assign(choice.rest, rest);
    const said = delta ?? message;
    if (isRecord(said)) this.#addPart(choice, said);
    choice.finishReason = finishReasonOf({ finish_reason }) ?? choice.finishReason;
    if (logprobs !== undefined) choice.logprobs = joinLogprobs(choice.logprobs, logprobs as Members | null);
  }

  #choiceAt(index: number): Choice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = {
        index,
        message: {},
        tools: new ToolCalls(this.#joiner),
        finishReason: null,
        logprobs: undefined,
        rest: {},
      };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #addPart({ message, tools }: Choice, part: Members): void {
    for (const [name, value] of Object.entries(part)) {
      if (name === 'tool_calls') {
        if (Array.isArray(value)) for (const call of value) if (isRecord(call)) tools.add(call);
      } else if (name === 'function_call' && isRecord(value)) {
        message.function_call = joinFunction(isRecord(message.function_call) ? message.function_call : {}, value);
      } else {
        if (value !== null && !(TEXTS.has(name) && typeof value === 'string')) this.hasUnknown = true;
        const before = Object.hasOwn(message, name) ? message[name] : undefined;
        setMember(message, name, this.#joiner.join(name, before, value));
      }
    }
  }
}

function wholeChoice({ index, message, tools, finishReason, logprobs, rest }: Choice): Members {
  const { role, content, ...others } = message;
  const hasCalls = !tools.isEmpty || others.function_call !== undefined;
  return {
    index,
    message: {
      role: role ?? 'assistant',
      // Whole answers have no text in addition to a tool call.
      content: hasCalls && content === '' ? null : (content ?? null),
      ...others,
      ...(tools.isEmpty ? {} : { tool_calls: tools.list() }),
    },
    ...(logprobs === undefined ? {} : { logprobs }),
    finish_reason: finishReason,
    ...rest,
  };
}

/** Lists grow in place: copying them for each token would cost the square of their length. */
function joinLogprobs(known: Members | null | undefined, more: Members | null): Members | null {
  if (more === null || typeof more !== 'object') return known ?? null;
  const joined = isRecord(known) ? known : {};
  for (const [name, value] of Object.entries(more)) {
    const before = joined[name];
    if (!Array.isArray(value)) joined[name] = value ?? before ?? null;
    else if (Array.isArray(before)) for (const each of value) before.push(each);
    else joined[name] = [...value];
  }
  return joined;
}

/** The stream events of a whole answer, each as JSON; the last one has its token counts, if known. */
export function eventsOf(completion: Completion): { readonly data: string; readonly isUsage: boolean }[] {
  const shared: Members = { object: 'chat.completion.chunk' };
  const rest: Members = {};
  for (const [name, value] of Object.entries(completion)) {
    if (name === 'choices' || name === 'usage' || name === 'object') continue;
    (OF_EVERY_EVENT.has(name) ? shared : rest)[name] = value;
  }
  const choices = Array.isArray(completion.choices) ? completion.choices.filter(isRecord) : [];
  const events = choices.flatMap(({ index, message, finish_reason, logprobs, ...others }) => [
    {
      ...shared,
      choices: [
        { index, delta: deltaOf(message), ...(logprobs === undefined ? {} : { logprobs }), finish_reason: null },
      ],
    },
    { ...shared, ...rest, choices: [{ index, delta: {}, finish_reason, ...others }] },
  ]);
  const told = events.map((event) => ({ data: JSON.stringify(event), isUsage: false }));
  if (completion.usage === undefined || completion.usage === null) return told;
  return [...told, { data: JSON.stringify({ ...shared, choices: [], usage: completion.usage }), isUsage: true }];
}

/**
 * A usage event without its token counts, for a client that did not ask for them. Keeps other members, such as llama.cpp's `timings`, and adds an
 * empty choice, since clients read the first choice of every event. Undefined if nothing is left.
 */
export function withoutUsage(event: ChunkEvent): string | undefined {
  const { usage: _usage, choices: _choices, ...rest } = event as Members;
  const isMore = Object.entries(rest).some(
    ([name, value]) => name !== 'object' && !OF_EVERY_EVENT.has(name) && value !== null,
  );
  if (!isMore) return undefined;
  return JSON.stringify({ ...rest, choices: [{ index: 0, delta: {}, finish_reason: null }] });
}

/** Numbers tool calls by position: clients join calls with the same number. */
function deltaOf(message: unknown): Members {
  const { tool_calls, ...delta } = (message ?? {}) as Members;
  if (!Array.isArray(tool_calls)) return delta;
  return { ...delta, tool_calls: tool_calls.filter(isRecord).map((call, index) => ({ ...callOf(call), index })) };
}

/** A tool call with its arguments as text, which streaming clients join. */
function callOf(call: Members): Members {
  const { function: said } = call;
  if (!isRecord(said) || said.arguments === undefined || typeof said.arguments === 'string') return call;
  return { ...call, function: { ...said, arguments: argumentsText(said.arguments) ?? '' } };
}

/** True if a whole answer may be served again: all of its choices ended by themselves, and it has content. */
export function isKeepable(completion: Completion): boolean {
  const { choices } = completion;
  if (!Array.isArray(choices) || choices.length === 0) return false;
  return choices.every((choice: Members | null) => {
    const { finish_reason, message } = choice ?? {};
    if (finish_reason !== 'stop' && finish_reason !== 'tool_calls' && finish_reason !== 'function_call') return false;
    const { content, tool_calls, function_call } = (message ?? {}) as Members;
    const hasCalls = Array.isArray(tool_calls) && tool_calls.length > 0;
    return hasCalls || Boolean(function_call) || (typeof content === 'string' && content.trim() !== '');
  });
}

/** True if an answer was ended by its token limit or by a filter. */
export function isCut({ choices }: ChunkEvent): boolean {
  if (!Array.isArray(choices)) return false;
  return choices.some((choice) => choice?.finish_reason === 'length' || choice?.finish_reason === 'content_filter');
}
