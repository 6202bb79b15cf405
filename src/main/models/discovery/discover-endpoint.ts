import { defined } from '../../../shared/defined.ts';
import { type EndpointFacts, type ModelFacts, NO_FACTS } from './endpoint-facts.ts';
import {
  type LlamaProps,
  type NativeModel,
  type OpenAiPage,
  readBusySlots,
  readLlamaProps,
  readLmStudioModels,
  readOldLmStudioModels,
  readOllamaModels,
  readOpenAiModels,
} from './server-pages.ts';

/** Reads one path of a server: `ModelClient`, or a simulated one. */
export interface JsonReader {
  getJson(path: string, timeoutMs: number, signal?: AbortSignal): Promise<unknown>;
}

const PATHS = ['/v1/models', '/props', '/slots', '/api/v1/models', '/api/v0/models', '/api/tags', '/api/ps'] as const;

type Pages = Readonly<Record<(typeof PATHS)[number], unknown>>;

/**
 * Asks a server what it is and has. All paths of all known server kinds are requested at once, since most servers immediately
 * answer that they lack a path. Never rejects; facts that do not arrive in time are absent. A llama.cpp server that is reading a
 * prompt answers `/slots` late or never, so fewer facts are learned while it is busy.
 */
export async function discoverEndpoint(
  client: JsonReader,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<EndpointFacts> {
  const read = await Promise.all(
    PATHS.map(async (path) => [path, await pageAt(client, path, timeoutMs, signal)] as const),
  );
  return factsFrom(Object.fromEntries(read) as Pages);
}

/** Number of busy slots, if the server reports it: llama.cpp does, unless it is reading a prompt. Never rejects. */
export async function busySlots(
  client: JsonReader,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  return readBusySlots(await pageAt(client, '/slots', timeoutMs, signal));
}

async function pageAt(
  client: JsonReader,
  path: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  try {
    return await client.getJson(path, timeoutMs, signal);
  } catch {
    // Whatever went wrong, the page has no information.
    return undefined;
  }
}

/** The most specific page decides: servers imitate the paths of others, but not their whole contents. */
function factsFrom(pages: Pages): EndpointFacts {
  const general = readOpenAiModels(pages['/v1/models']);
  const props = readLlamaProps(pages['/props']);
  if (props !== undefined || general.owners.has('llamacpp')) return llamaFacts(general, props, pages['/slots']);
  const studio = readLmStudioModels(pages['/api/v1/models']) ?? readOldLmStudioModels(pages['/api/v0/models']);
  if (studio !== undefined) return studioFacts(general, studio);
  if (general.owners.has('vllm')) {
    return { ...NO_FACTS, kind: 'vllm', models: general.models, sharesPrefixes: true };
  }
  const ollama = readOllamaModels(pages['/api/tags'], pages['/api/ps']);
  if (ollama !== undefined) return { ...NO_FACTS, kind: 'ollama', models: merged(ollama, general.models) };
  return { ...NO_FACTS, models: general.models };
}

function llamaFacts(general: OpenAiPage, props: LlamaProps | undefined, slotsPage: unknown): EndpointFacts {
  const slots = props?.slots;
  const listed: readonly ModelFacts[] =
    general.models.length > 0 ? general.models : props?.model === undefined ? [] : [{ id: props.model }];
  // A router reports for each model whether it is loaded, and nothing about the slots behind it.
  const models = slots === undefined ? listed : listed.map((model) => withProps(model, props));
  return {
    kind: 'llamacpp',
    ...defined({ slots }),
    models,
    // Each slot keeps its own prompt cache.
    sharesPrefixes: false,
    tellsSlots: readBusySlots(slotsPage) !== undefined,
  };
}

/** A server with one model has it loaded once it answers. */
function withProps(model: ModelFacts, props: LlamaProps | undefined): ModelFacts {
  const { slots, vision, contextLength } = props ?? {};
  return {
    ...model,
    loaded: true,
    ...defined({ vision, parallel: slots, contextLength }),
  };
}

/**
 * Each loaded instance has slots of its own, and all of them share one machine. `slots` is the highest number of any instance,
 * not the sum: that many calls never wait in the server if they go to that model, and more would slow each other down.
 */
function studioFacts(general: OpenAiPage, native: readonly NativeModel[]): EndpointFacts {
  const models = merged(native, general.models);
  const parallel = models.flatMap((model) => (model.loaded === true ? (model.parallel ?? []) : []));
  return {
    ...NO_FACTS,
    kind: 'lmstudio',
    ...(parallel.length === 0 ? {} : { slots: parallel.reduce((most, each) => Math.max(most, each)) }),
    models,
  };
}

/** The models that chat: first those of the native page, then any others on the general list. */
function merged(native: readonly NativeModel[], general: readonly ModelFacts[]): ModelFacts[] {
  const named = new Set(native.map(({ facts }) => facts.id));
  const chatting = native.filter(({ chats }) => chats).map(({ facts }) => facts);
  return [...chatting, ...general.filter(({ id }) => !named.has(id))];
}
