import { z } from 'zod';
import type { ModelFacts } from './endpoint-facts.ts';

/**
 * The pages on which model servers report what they have. Reading is tolerant: a member of the wrong shape is absent, an entry
 * without a name is skipped, and a page of another shape counts as missing, such as the `{"error"}` that LM Studio returns with
 * status 200 for unknown paths. Shapes as of llama.cpp b10229, LM Studio 0.4, Ollama 0.40, vLLM 0.11; earlier versions have less.
 * Pure.
 */

/** Maximum entries read from a list. A list of megabytes is no list of models. */
const ENTRIES_MAX = 1_000;

const text = z.string().min(1).max(1_000);
const count = z.int().min(1).max(1e9);

/** The member, or undefined if it is missing or invalid. */
function maybe<T extends z.ZodType>(type: T): z.ZodCatch<z.ZodOptional<T>> {
  return type.optional().catch(undefined);
}

const anyList = maybe(z.array(z.unknown()));

/** The entries of a list that have the given shape. */
function entries<T extends z.ZodType>(list: readonly unknown[] | undefined, type: T): z.infer<T>[] {
  return (list ?? []).slice(0, ENTRIES_MAX).flatMap((entry) => {
    const read = type.safeParse(entry);
    return read.success ? [read.data] : [];
  });
}

/** Omits members that are undefined. */
function factsOf(facts: { readonly [K in keyof ModelFacts]: ModelFacts[K] | undefined } & { id: string }): ModelFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as unknown as ModelFacts;
}

/** A model on a native page. Embedding models are included, so that they can be removed from the general list. */
export interface NativeModel {
  readonly facts: ModelFacts;
  readonly chats: boolean;
}

export interface OpenAiPage {
  readonly owners: ReadonlySet<string>;
  readonly models: readonly ModelFacts[];
}

const OPENAI_MODEL = z.object({
  id: text,
  owned_by: maybe(text),
  // vLLM
  max_model_len: maybe(count),
  // llama.cpp as a router of several models
  status: maybe(z.object({ value: maybe(text) })),
});

/** Reads `/v1/models`. Ollama lists `null` if it has no models. */
export function readOpenAiModels(page: unknown): OpenAiPage {
  const { data } = z.object({ data: anyList }).catch({ data: undefined }).parse(page);
  const models = entries(data, OPENAI_MODEL);
  return {
    owners: new Set(models.flatMap(({ owned_by }) => owned_by ?? [])),
    models: models.map(({ id, max_model_len, status }) =>
      factsOf({
        id,
        contextLength: max_model_len,
        loaded: status?.value === undefined ? undefined : status.value === 'loaded',
      }),
    ),
  };
}

export interface LlamaProps {
  /** Missing on a router with several models. */
  readonly slots: number | undefined;
  readonly model: string | undefined;
  readonly vision: boolean | undefined;
  readonly contextLength: number | undefined;
}

const LLAMA_PROPS = z.object({
  total_slots: maybe(count),
  role: maybe(z.literal('router')),
  model_alias: maybe(text),
  model_path: maybe(text),
  modalities: maybe(z.object({ vision: maybe(z.boolean()) })),
  default_generation_settings: maybe(z.object({ n_ctx: maybe(count) })),
});

export function readLlamaProps(page: unknown): LlamaProps | undefined {
  const props = LLAMA_PROPS.safeParse(page).data;
  if (props === undefined || (props.total_slots === undefined && props.role === undefined)) return undefined;
  return {
    slots: props.total_slots,
    model: props.model_alias ?? props.model_path,
    vision: props.modalities?.vision,
    contextLength: props.default_generation_settings?.n_ctx,
  };
}

const LLAMA_SLOTS = z.array(z.object({ is_processing: z.boolean() })).min(1);

/** Number of busy slots, if the page reports every slot. */
export function readBusySlots(page: unknown): number | undefined {
  const slots = LLAMA_SLOTS.safeParse(page).data;
  return slots?.filter(({ is_processing }) => is_processing).length;
}

const INSTANCE = z.object({
  id: text,
  config: maybe(z.object({ context_length: maybe(count), parallel: maybe(count) })),
});

const LMSTUDIO_MODEL = z.object({
  key: text,
  type: maybe(text),
  loaded_instances: anyList,
  max_context_length: maybe(count),
  capabilities: maybe(z.object({ vision: maybe(z.boolean()) })),
});

/** Reads `/api/v1/models`. Loaded instances with names of their own are also listed as models under those names. */
export function readLmStudioModels(page: unknown): readonly NativeModel[] | undefined {
  const list = z.object({ models: z.array(z.unknown()) }).safeParse(page).data;
  if (list === undefined) return undefined;
  return entries(list.models, LMSTUDIO_MODEL).flatMap((model) => {
    const chats = model.type !== 'embedding';
    const vision = model.capabilities?.vision;
    const instances = entries(model.loaded_instances, INSTANCE);
    const named = instances.find(({ id }) => id === model.key) ?? instances[0];
    const loaded = model.loaded_instances === undefined ? undefined : instances.length > 0;
    const all = [{ id: model.key, loaded, config: named?.config }];
    for (const { id, config } of instances) if (id !== model.key) all.push({ id, loaded: true, config });
    return all.map(({ id, loaded, config }) => ({
      chats,
      facts: factsOf({
        id,
        loaded,
        vision,
        parallel: config?.parallel,
        contextLength: config?.context_length ?? model.max_context_length,
      }),
    }));
  });
}

const LMSTUDIO_OLD_MODEL = z.object({
  id: text,
  type: maybe(text),
  state: text,
  max_context_length: maybe(count),
  loaded_context_length: maybe(count),
});

/** Reads `/api/v0/models` of earlier versions. Other servers have this path too, but no `state`. */
export function readOldLmStudioModels(page: unknown): readonly NativeModel[] | undefined {
  const list = z.object({ data: z.array(z.unknown()) }).safeParse(page).data;
  const models = entries(list?.data, LMSTUDIO_OLD_MODEL);
  if (models.length === 0) return undefined;
  return models.map((model) => ({
    chats: model.type !== 'embeddings',
    facts: factsOf({
      id: model.id,
      loaded: model.state === 'loaded',
      vision: model.type === undefined ? undefined : model.type === 'vlm',
      contextLength: model.loaded_context_length ?? model.max_context_length,
    }),
  }));
}

const OLLAMA_MODEL = z.object({
  name: text,
  context_length: maybe(count),
  capabilities: maybe(z.array(z.string())),
  details: maybe(z.object({ families: maybe(z.array(z.string())), context_length: maybe(count) })),
});

function readOllamaList(page: unknown): z.infer<typeof OLLAMA_MODEL>[] | undefined {
  const list = z.object({ models: z.array(z.unknown()).nullable() }).safeParse(page).data;
  return list === undefined ? undefined : entries(list.models ?? [], OLLAMA_MODEL);
}

/** Reads `/api/tags`, with what `/api/ps` reports about models in memory. */
export function readOllamaModels(tags: unknown, ps: unknown): readonly NativeModel[] | undefined {
  const models = readOllamaList(tags);
  const running = readOllamaList(ps);
  return models?.map(({ name, capabilities, details }) => {
    const inMemory = running?.find((other) => other.name === name);
    // Versions that report no capabilities list the image encoder among the families; newer models do not have one.
    const sees = details?.families?.includes('clip') ? true : undefined;
    return {
      chats: capabilities === undefined || capabilities.includes('completion'),
      facts: factsOf({
        id: name,
        loaded: running === undefined ? undefined : inMemory !== undefined,
        vision: capabilities?.includes('vision') ?? sees,
        contextLength: inMemory?.context_length ?? details?.context_length,
      }),
    };
  });
}
