/** What a model server told about itself. What it did not tell is absent: servers differ, and most tell little. */
export type ServerKind = 'llamacpp' | 'lmstudio' | 'ollama' | 'vllm' | 'unknown';

export const SERVER_NAMES: Readonly<Record<ServerKind, string>> = {
  llamacpp: 'llama.cpp',
  lmstudio: 'LM Studio',
  ollama: 'Ollama',
  vllm: 'vLLM',
  unknown: 'a server of unknown kind',
};

export interface ModelFacts {
  /** As calls name it. */
  readonly id: string;
  /** Whether it is in memory now; another one may evict it. */
  readonly loaded?: boolean;
  readonly vision?: boolean;
  /** Calls to it that are worked on at once. */
  readonly parallel?: number;
  /** Tokens that a call may have, prompt and answer together. */
  readonly contextLength?: number;
}

export interface EndpointFacts {
  readonly kind: ServerKind;
  /** Calls worked on at once; more of them wait in the server. */
  readonly slots?: number;
  /** The models that can chat, as far as the server tells those apart. */
  readonly models: readonly ModelFacts[];
  /** Whether what one slot has read need not be read again by another. Undefined where its engine decides. */
  readonly sharesPrefixes: boolean | undefined;
  /** Whether `busySlots` has an answer. */
  readonly tellsSlots: boolean;
}

/** Nothing was learnt. */
export const NO_FACTS: EndpointFacts = {
  kind: 'unknown',
  models: [],
  sharesPrefixes: undefined,
  tellsSlots: false,
};
