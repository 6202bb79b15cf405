import { z } from 'zod';
import { checkOptions, failOptions } from '../../shared/check-options.ts';
import { defined } from '../../shared/defined.ts';
import { READ_FORMS, type ReadForm } from '../../shared/reads/reading.ts';
import { RATE_NAMES, type RateName } from '../../shared/simulator-rates.ts';

/** The kind of server that is simulated: error bodies, unknown models, extra routes. */
export type ServerFlavour = 'lmstudio' | 'ollama' | 'llamacpp' | 'vllm';

export interface SimulatedModelOptions {
  /** The id that requests name. */
  readonly id: string;
  /** How well it judges, from 0 (guesses) to 1 (never errs). @default 0.75 */
  readonly skill?: number;
  /** Seconds to load it into memory. @default 4 */
  readonly loadSeconds?: number;
  /** Tokens per second when it has the machine to itself. @default 40 */
  readonly tokensPerSecond?: number;
  /** Median of the lognormal number of tokens that it thinks before an answer without a schema; 0 if it does not think by itself. @default 0 */
  readonly thinkTokens?: number;
  /** Sigma of that lognormal: with 1.2, one thought in a hundred is sixteen times as long as the median. @default 0.8 */
  readonly thinkSigma?: number;
  /** Maximum number of tokens of prompt and answer together. @default 8192 */
  readonly contextTokens?: number;
  /** How well it judges if a schema leaves no room for a thought. @default its skill */
  readonly hastySkill?: number;
  /** How good its reads are: 1 is as good as the votes it writes without a thought, 0 is noise unrelated to the prompt. @default 1 */
  readonly readSkill?: number;
  /** How much its reads prefer some labels whatever they stand for: the spread of a fixed logit for each place in the list. @default 0 */
  readonly labelBias?: number;
  /** Whether it accepts pictures; other models refuse them. @default false */
  readonly vision?: boolean;
}

/** Shares of the requests, each from 0 to 1. The first five are kinds of answers, and their sum is at most 1; the same applies to the last five. */
export interface SimulatorRates {
  /** Answers with an action that was not offered. @default 0.02 */
  readonly illegal?: number;
  /** Names two actions. @default 0.005 */
  readonly ambiguous?: number;
  /** Answers with nothing. @default 0.003 */
  readonly empty?: number;
  /** Talks without choosing. @default 0.005 */
  readonly rambling?: number;
  /** Gives a readable answer in another form than the one asked for. @default 0.1 */
  readonly oddFormat?: number;
  /** Writes a `<think>` block before the answer, of any kind. @default 0.05 */
  readonly think?: number;
  /** Thinks until the token limit or the context ends it. A schema leaves no room for that. @default 0 */
  readonly runaway?: number;
  /** HTTP status 500. @default 0.004 */
  readonly http500?: number;
  /** The connection is reset before the response. @default 0.002 */
  readonly reset?: number;
  /** Never answers. Takes no slot: the server has lost the request. @default 0.001 */
  readonly hang?: number;
  /** An error event inside a 200 stream, without [DONE]. @default 0.002 */
  readonly errorEvent?: number;
  /** The stream is cut before its end. @default 0.002 */
  readonly cut?: number;
  /** Writes what the server itself cannot parse: a 500 at its end, each time the same prompt is sent. @default 0 */
  readonly unparsable?: number;
}

/** Options of the simulated model server. Durations are in simulated seconds: `speed` divides them. */
export interface SimulatorOptions {
  /** Port to listen on; 0 chooses a free one. @default 0 */
  readonly port?: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** The same seed gives the same answers to a prompt, whatever else the server is asked. @default 1 */
  readonly seed?: number;
  /** Speed as a multiple of real time. @default 1 */
  readonly speed?: number;
  /** @default 'lmstudio' */
  readonly flavour?: ServerFlavour;
  /**
   * The forms of reads that it answers. Default: as servers of its flavour do: none for LM Studio (its chats have no log probabilities), log
   * probabilities for llama.cpp and Ollama with chat models, all for vLLM. With `systemone`, llama.cpp and Ollama have decision models.
   */
  readonly reads?: 'none' | 'all' | ReadForm | readonly ReadForm[];
  /** Maximum number of requests worked on at once, by all models together. @default 4 */
  readonly slots?: number;
  /** Maximum number of requests that wait for a slot; further ones are answered with 503. @default 1000 */
  readonly queueMax?: number;
  /** @default four small models, of which google/gemma-3-4b sees */
  readonly models?: readonly SimulatedModelOptions[];
  /** Maximum number of models in memory; another one evicts the least recently used. @default all */
  readonly loadedModelsMax?: number;
  /** Whether evicting a model cuts off its answers, as in LM Studio; otherwise they are finished. @default false */
  readonly evictionCuts?: boolean;
  /** Whether the first `loadedModelsMax` models are in memory at the start. @default true */
  readonly preload?: boolean;
  /** Prompt tokens read per second when it has the machine to itself. @default 800 */
  readonly promptTokensPerSecond?: number;
  /** Fixed time before the prompt is read. @default 0.15 */
  readonly overheadSeconds?: number;
  /** Time to encode one picture. @default 0.8 */
  readonly imageSeconds?: number;
  /** Each further busy slot makes all of them slower: with n busy, each runs at 1 / (1 + slotSlowdown × (n - 1)). @default 0.25 */
  readonly slotSlowdown?: number;
  /**
   * How prompts are read: side by side, each slot at its share of the machine; or in batches, as in llama.cpp: prompts that arrive while a batch is
   * read form the next one, no slot writes meanwhile, and an aborted prompt is read to the end of its batch.
   * @default 'shared'
   */
  readonly reading?: 'shared' | 'batched';
  /** Whether what one slot has read of a prompt need not be read again in another, as in vLLM. @default true for vLLM only */
  readonly sharesPrefixes?: boolean;
  /** Sigma of the lognormal factor on the time of a request; 0.4 makes one in a hundred 2.5 times slower. @default 0.4 */
  readonly latencySigma?: number;
  /** How long an aborted request keeps its slot. @default 0.04 */
  readonly abortSeconds?: number;
  /** The form of `error` in LM Studio's bodies; `mixed` chooses for each request. @default 'mixed' */
  readonly errorShape?: 'object' | 'string' | 'mixed';
  readonly rates?: SimulatorRates;
}

export type SimulatedModel = Required<SimulatedModelOptions>;
export type ResolvedRates = Required<SimulatorRates> & Readonly<Record<RateName, number>>;
export interface ResolvedSimulatorOptions extends Required<Omit<SimulatorOptions, 'models' | 'rates' | 'reads'>> {
  readonly reads: readonly ReadForm[];
  readonly models: readonly SimulatedModel[];
  readonly rates: ResolvedRates;
}

const MODEL_DEFAULTS = {
  skill: 0.75,
  loadSeconds: 4,
  tokensPerSecond: 40,
  vision: false,
  readSkill: 1,
  labelBias: 0,
  thinkTokens: 0,
  thinkSigma: 0.8,
  contextTokens: 8_192,
} as const;

const DEFAULT_MODELS: readonly SimulatedModelOptions[] = [
  { id: 'microsoft/phi-4-mini-reasoning', skill: 0.78 },
  { id: 'mistralai/mistral-nemo-instruct-2407', skill: 0.82, tokensPerSecond: 28, loadSeconds: 8 },
  { id: 'qwen/qwen3-4b', skill: 0.74 },
  { id: 'google/gemma-3-4b', skill: 0.72, vision: true },
];

const DEFAULT_READS: Readonly<Record<ServerFlavour, readonly ReadForm[]>> = {
  lmstudio: [],
  llamacpp: ['logprobs'],
  ollama: ['logprobs'],
  vllm: READ_FORMS,
};

export const DEFAULT_RATES: ResolvedRates = {
  illegal: 0.02,
  ambiguous: 0.005,
  empty: 0.003,
  rambling: 0.005,
  oddFormat: 0.1,
  think: 0.05,
  runaway: 0,
  http500: 0.004,
  reset: 0.002,
  hang: 0.001,
  errorEvent: 0.002,
  cut: 0.002,
  unparsable: 0,
};

/** No failures and no odd answers, for tests of something else. */
export const NO_RATES = Object.fromEntries(RATE_NAMES.map((name) => [name, 0])) as ResolvedRates;

const within = (low: number, high: number, rule: string) =>
  z.custom<number>((value) => typeof value === 'number' && value >= low && value <= high, rule).optional();
const whole = (low: number, high: number) =>
  z
    .custom<number>(
      (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
      `must be a whole number from ${low} to ${high}`,
    )
    .optional();
const text = z.custom<string>((value) => typeof value === 'string' && value !== '', 'must be a text that is not empty');
const flag = z.boolean().optional();
const seconds = within(0, 86_400, 'must be a number of seconds from 0 to 86400');
const share = within(0, 1, 'must be a number from 0 to 1');
const perSecond = within(0.001, 1e9, 'must be a number of tokens a second, at least 0.001');

const modelSchema = z.strictObject({
  id: text,
  skill: share,
  loadSeconds: seconds,
  tokensPerSecond: perSecond,
  vision: flag,
  thinkTokens: within(0, 100_000, 'must be a number of tokens from 0 to 100000'),
  thinkSigma: within(0, 3, 'must be a number from 0 to 3'),
  contextTokens: whole(1, 1_000_000),
  hastySkill: share,
  readSkill: share,
  labelBias: within(0, 10, 'must be a number from 0 to 10'),
});

const optionsSchema = z.strictObject({
  port: whole(0, 65_535),
  host: text.optional(),
  seed: whole(0, 2 ** 32 - 1),
  speed: within(0.001, 1e9, 'must be a number of at least 0.001'),
  flavour: z.enum(['lmstudio', 'ollama', 'llamacpp', 'vllm']).optional(),
  reads: z
    .custom<SimulatorOptions['reads']>(isReads, `must be none, all, or some of ${READ_FORMS.join(', ')}`)
    .optional(),
  slots: whole(1, 1_024),
  queueMax: whole(0, 1_000_000),
  models: z.array(modelSchema).superRefine(checkIds).optional(),
  loadedModelsMax: whole(1, 1_024),
  evictionCuts: flag,
  preload: flag,
  promptTokensPerSecond: perSecond,
  overheadSeconds: seconds,
  imageSeconds: seconds,
  slotSlowdown: within(0, 100, 'must be a number from 0 to 100'),
  reading: z.enum(['shared', 'batched']).optional(),
  sharesPrefixes: flag,
  latencySigma: within(0, 3, 'must be a number from 0 to 3'),
  abortSeconds: seconds,
  errorShape: z.enum(['object', 'string', 'mixed']).optional(),
  rates: z.strictObject(Object.fromEntries(RATE_NAMES.map((name) => [name, share]))).optional(),
});

function isReads(value: unknown): boolean {
  return value === 'none' || value === 'all' || [value].flat().every((form) => READ_FORMS.includes(form as never));
}

function readsOf({ reads, flavour = 'lmstudio' }: SimulatorOptions): readonly ReadForm[] {
  if (reads === undefined) return DEFAULT_READS[flavour];
  if (reads === 'none') return [];
  return reads === 'all' ? READ_FORMS : [reads].flat();
}

function checkIds(models: readonly { readonly id: string }[], context: z.RefinementCtx): void {
  const ids = models.map(({ id }) => id);
  const twice = ids.findIndex((id, index) => ids.indexOf(id) < index);
  if (twice === -1) return;
  context.addIssue({ code: 'custom', path: [twice, 'id'], message: 'must differ from the ids before it' });
}

function checkSum(rates: ResolvedRates, names: readonly (keyof ResolvedRates)[]): void {
  const sum = names.reduce((total, name) => total + rates[name], 0);
  if (sum > 1 + 1e-9) failOptions(`simulator.rates must have a sum of at most 1 over ${names.join(', ')}, got ${sum}`);
}

/** Checks options and fills in defaults. Throws ERR_OPTIONS_INVALID with the key, the rule and the value. */
export function resolveSimulatorOptions(options: SimulatorOptions = {}): ResolvedSimulatorOptions {
  checkOptions(optionsSchema, options, 'simulator.');
  const models = (options.models ?? DEFAULT_MODELS).map((model) =>
    Object.freeze({ ...MODEL_DEFAULTS, hastySkill: model.skill ?? MODEL_DEFAULTS.skill, ...defined(model) }),
  );
  const rates = Object.freeze({ ...DEFAULT_RATES, ...defined(options.rates ?? {}) });
  checkSum(rates, ['illegal', 'ambiguous', 'empty', 'rambling', 'oddFormat']);
  checkSum(rates, ['http500', 'reset', 'hang', 'errorEvent', 'cut']);
  if (options.flavour === 'llamacpp' && models.length === 0)
    failOptions('simulator.models must name a model for llamacpp, got an empty list');
  return Object.freeze({
    port: 0,
    host: '127.0.0.1',
    seed: 1,
    speed: 1,
    flavour: 'lmstudio',
    slots: 4,
    queueMax: 1_000,
    loadedModelsMax: Math.max(models.length, 1),
    evictionCuts: false,
    preload: true,
    promptTokensPerSecond: 800,
    overheadSeconds: 0.15,
    imageSeconds: 0.8,
    slotSlowdown: 0.25,
    reading: 'shared',
    sharesPrefixes: options.flavour === 'vllm',
    latencySigma: 0.4,
    abortSeconds: 0.04,
    errorShape: 'mixed',
    ...defined(options),
    reads: Object.freeze([...readsOf(options)]),
    models,
    rates,
  } satisfies ResolvedSimulatorOptions);
}
