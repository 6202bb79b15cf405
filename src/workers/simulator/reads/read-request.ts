import type { ReadForm } from '../../../shared/reads/reading.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';
import { readMessages } from '../chat-request.ts';
import type { MachinePrompt } from '../machine-job.ts';
import type { ServerFlavour } from '../options.ts';

/** The questions about one state, in a common form for System One and the Decisions API. */
export interface ReadRequest {
  readonly form: Exclude<ReadForm, 'logprobs'>;
  readonly model: string;
  /** The text in the state. */
  readonly text: string;
  /** The state followed by all questions: the state is read once for all of them. */
  readonly prompt: MachinePrompt;
  /** The part of `prompt` that is the state. */
  readonly state: MachinePrompt;
  readonly questions: readonly ReadQuestion[];
  /** False if a text contains half of a surrogate pair. */
  readonly isUnicode: boolean;
}

/** A request before the checks that concern its body as a whole. */
export type AskedRead = Omit<ReadRequest, 'isUnicode'>;

export interface ReadQuestion {
  /** The key of a System One question, the name of any other; undefined if it has none. */
  readonly name: string | undefined;
  /** `truth` is System One's noul and the predicate of Decisions: its options are true and false. */
  readonly type: 'choice' | 'truth' | 'score';
  readonly instructions: string;
  readonly options: readonly ReadOption[];
}

export interface ReadOption {
  readonly value: string | boolean;
  readonly description: string | undefined;
}

/** How much a server accepts in one request, and whether it refuses unknown members. */
export interface ReadLimits {
  readonly questionsMax: number;
  readonly optionsMax: number;
  readonly isStrict: boolean;
}

export function readLimits(flavour: ServerFlavour, form: ReadRequest['form']): ReadLimits {
  if (flavour === 'vllm') return { questionsMax: 64, optionsMax: 26, isStrict: true };
  return { questionsMax: form === 'decisions' ? 400 : Number.POSITIVE_INFINITY, optionsMax: 255, isStrict: false };
}

/** A state of messages is read like a chat; any other state is the text of one message, as JSON if it is not a text. */
export function stateOf(state: unknown, pictures: readonly string[] = []): Pick<ReadRequest, 'text' | 'prompt'> {
  const images = pictures.map((url) => ({ type: 'image_url', image_url: { url } }));
  const messages = messagesOf(state);
  const rest = messages ?? [{ role: 'user', content: typeof state === 'string' ? state : JSON.stringify(state) }];
  return readMessages(images.length > 0 ? [{ role: 'user', content: images }, ...rest] : rest);
}

function messagesOf(state: unknown): { readonly role: string }[] | undefined {
  const list = isRecord(state) ? state.messages : state;
  const isChat = Array.isArray(list) && list.length > 0 && list.every((item) => isRecord(item) && 'role' in item);
  return isChat ? (list as { readonly role: string }[]) : undefined;
}

/** The state followed by each question with its options. */
export function withQuestions(state: MachinePrompt, questions: readonly ReadQuestion[]): MachinePrompt {
  return { ...state, text: `${state.text}${questions.map(renderQuestion).join('')}` };
}

export function renderQuestion({ instructions, options }: ReadQuestion): string {
  const lines = options.map(({ value, description }) => (description ? `${value} - ${description}` : String(value)));
  return `Question: ${instructions}\n${lines.join('\n')}\n`;
}

/** A sentence that describes what is wrong with a question; undefined if nothing is. */
export function wrongWith({ name, type, options }: ReadQuestion, { optionsMax }: ReadLimits): string | undefined {
  const where = `question '${name ?? ''}'`;
  const max = type === 'score' ? 10 : optionsMax;
  if (name === '') return 'question ids must be non-empty';
  if (options.length < 2) return `${where}: needs at least 2 options`;
  if (options.length > max) return `${where}: at most ${max} options for this model, got ${options.length}`;
  const values = new Set(options.map(({ value }) => value));
  return values.size < options.length ? `${where}: duplicate option names` : undefined;
}
