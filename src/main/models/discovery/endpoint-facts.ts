/** The kind of a model server. Facts that a server does not report are absent: servers differ, and most report little. */
export type ServerKind = 'llamacpp' | 'lmstudio' | 'ollama' | 'vllm' | 'unknown';

export const SERVER_NAMES: Readonly<Record<ServerKind, string>> = {
  llamacpp: 'llama.cpp',
  lmstudio: 'LM Studio',
  ollama: 'Ollama',
  vllm: 'vLLM',
  unknown: 'a server of unknown kind',
};

export interface ModelFacts {
  /** The id that calls use. */
  readonly id: string;
  /** Whether it is in memory now; another model may evict it. */
  readonly loaded?: boolean;
  readonly vision?: boolean;
  /** Number of calls to it that run at once. */
  readonly parallel?: number;
  /** Maximum tokens for a call, prompt and answer together. */
  readonly contextLength?: number;
}

export interface EndpointFacts {
  readonly kind: ServerKind;
  /** Number of calls that run at once; more of them wait in the server. */
  readonly slots?: number;
  /** The models that can chat, as far as the server distinguishes them. */
  readonly models: readonly ModelFacts[];
  /** Whether a prompt read by one slot need not be read again by another. Undefined if its engine decides. */
  readonly sharesPrefixes: boolean | undefined;
  /** Whether `busySlots` has an answer. */
  readonly tellsSlots: boolean;
}

/** No facts are known. */
export const NO_FACTS: EndpointFacts = {
  kind: 'unknown',
  models: [],
  sharesPrefixes: undefined,
  tellsSlots: false,
};
