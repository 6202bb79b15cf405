import type { ChunkEvent } from '../../../shared/model-client/chat-event.ts';

/** A whole answer and the events of a stream, each told from the other. */
type Members = Record<string, unknown>;
export type Completion = Readonly<Members>;

interface ToolCall extends Members {
  function?: Members;
}

interface Choice {
  readonly index: number;
  readonly message: Members;
  readonly tools: ToolCall[];
  finishReason: string | null;
  logprobs: Members | null | undefined;
  /** Of a choice, what has no meaning here. */
  readonly rest: Members;
}

/** Parts of these are joined; of other members the last one counts. */
const TEXTS: ReadonlySet<string> = new Set(['content', 'reasoning_content', 'reasoning', 'refusal']);
const KNOWN_PARTS: ReadonlySet<string> = new Set([...TEXTS, 'role', 'tool_calls', 'function_call']);
const OF_EVERY_EVENT: ReadonlySet<string> = new Set(['id', 'created', 'model', 'system_fingerprint', 'service_tier']);

/** Puts a `chat.completion` together from the events of its stream: texts, thoughts, tool calls, log probabilities, all choices. */
export class CompletionBuilder {
  readonly #top: Members = {};
  readonly #choices = new Map<number, Choice>();
  /** Whether something came that a whole answer may tell in another way. */
  hasUnknown = false;

  add(event: ChunkEvent): void {
    for (const [name, value] of Object.entries(event)) {
      if (name !== 'choices' && name !== 'object' && value !== null) this.#top[name] = value;
    }
    if (!Array.isArray(event.choices)) return;
    for (const choice of event.choices) if (isMembers(choice)) this.#addChoice(choice);
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
    if (isMembers(said)) this.#addPart(choice, said);
    if (typeof finish_reason === 'string') choice.finishReason = finish_reason;
    if (logprobs !== undefined) choice.logprobs = joinLogprobs(choice.logprobs, logprobs as Members | null);
  }

  #choiceAt(index: number): Choice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = { index, message: {}, tools: [], finishReason: null, logprobs: undefined, rest: {} };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #addPart({ message, tools }: Choice, part: Members): void {
    for (const [name, value] of Object.entries(part)) {
      if (!KNOWN_PARTS.has(name) && value !== null) this.hasUnknown = true;
      if (name === 'tool_calls') {
        if (Array.isArray(value)) for (const call of value) if (isMembers(call)) addToolCall(tools, call);
      } else if (name === 'function_call' && isMembers(value)) {
        message.function_call = joinFunction(isMembers(message.function_call) ? message.function_call : {}, value);
      } else if (TEXTS.has(name) && typeof value === 'string') {
        message[name] = `${typeof message[name] === 'string' ? message[name] : ''}${value}`;
      } else if (value !== null || !(name in message)) message[name] = value;
    }
  }
}

function wholeChoice({ index, message, tools, finishReason, logprobs, rest }: Choice): Members {
  const { role, content, ...others } = message;
  const hasCalls = tools.length > 0 || others.function_call !== undefined;
  return {
    index,
    message: {
      role: role ?? 'assistant',
      // As whole answers have it: no words beside a call of a tool.
      content: hasCalls && content === '' ? null : (content ?? null),
      ...others,
      ...(tools.length > 0 ? { tool_calls: tools } : {}),
    },
    ...(logprobs === undefined ? {} : { logprobs }),
    finish_reason: finishReason,
    ...rest,
  };
}

/** Most servers number their tool calls; of those that do not, a new id or name begins another call. */
function addToolCall(tools: ToolCall[], { index, function: said, ...rest }: Members): void {
  const last = tools.at(-1);
  const isOther = last === undefined || (typeof rest.id === 'string' && rest.id !== '' && rest.id !== last.id);
  const at = isIndex(index) && index <= TOOLS_MAX ? index : isOther ? tools.length : tools.length - 1;
  while (tools.length <= at) tools.push({});
  const call = tools[at] as ToolCall;
  for (const [name, value] of Object.entries(rest)) if (value !== null && value !== '') call[name] = value;
  if (isMembers(said)) call.function = joinFunction(isMembers(call.function) ? call.function : {}, said);
}

const TOOLS_MAX = 1_024;

/** The name comes once, the arguments in parts. */
function joinFunction(known: Members, { arguments: more, ...rest }: Members): Members {
  for (const [name, value] of Object.entries(rest)) if (value !== null && value !== '') known[name] = value;
  known.arguments = `${known.arguments ?? ''}${typeof more === 'string' ? more : ''}`;
  return known;
}

function isMembers(value: unknown): value is Members {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isIndex(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

/** Lists grow in place: copied for each token, they would cost the square of its length. */
function joinLogprobs(known: Members | null | undefined, more: Members | null): Members | null {
  if (more === null || typeof more !== 'object') return known ?? null;
  const joined = isMembers(known) ? known : {};
  for (const [name, value] of Object.entries(more)) {
    const before = joined[name];
    if (!Array.isArray(value)) joined[name] = value ?? before ?? null;
    else if (Array.isArray(before)) for (const each of value) before.push(each);
    else joined[name] = [...value];
  }
  return joined;
}

/** The events of a stream that tells a whole answer, each as JSON; the last one tells its tokens, where they are known. */
export function eventsOf(completion: Completion): { readonly data: string; readonly isUsage: boolean }[] {
  const shared: Members = { object: 'chat.completion.chunk' };
  const rest: Members = {};
  for (const [name, value] of Object.entries(completion)) {
    if (name === 'choices' || name === 'usage' || name === 'object') continue;
    (OF_EVERY_EVENT.has(name) ? shared : rest)[name] = value;
  }
  const choices = Array.isArray(completion.choices) ? completion.choices.filter(isMembers) : [];
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

function deltaOf(message: unknown): Members {
  const { tool_calls, ...delta } = (message ?? {}) as Members;
  if (!Array.isArray(tool_calls)) return delta;
  return { ...delta, tool_calls: tool_calls.map((call: Members, index) => ({ index, ...call })) };
}

/** Whether a whole answer may be given again: it ended by itself, in each of its choices, and says something. */
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
