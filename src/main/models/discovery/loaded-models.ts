import type { LoadedModels } from '../memory/memory-watch.ts';
import type { JsonReader } from './discover-endpoint.ts';
import type { ModelFacts, ServerKind } from './endpoint-facts.ts';
import { readLmStudioModels, readOldLmStudioModels, readOllamaModels, readOpenAiModels } from './server-pages.ts';

/** The pages on which each kind of server reports its loaded models; the first that reports any counts. */
const PAGES: Readonly<Partial<Record<ServerKind, readonly [path: string, read: (page: unknown) => Listed][]>>> = {
  lmstudio: [
    ['/api/v1/models', (page) => readLmStudioModels(page)?.map(({ facts }) => facts)],
    ['/api/v0/models', (page) => readOldLmStudioModels(page)?.map(({ facts }) => facts)],
  ],
  ollama: [['/api/ps', (page) => readOllamaModels(page, page)?.map(({ facts }) => facts)]],
  llamacpp: [['/v1/models', (page) => readOpenAiModels(page).models]],
};

type Listed = readonly ModelFacts[] | undefined;

/** The models that a server has in memory now; undefined if it does not report them. Never rejects. */
export async function loadedModels(
  client: JsonReader,
  kind: ServerKind,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<LoadedModels | undefined> {
  for (const [path, read] of PAGES[kind] ?? []) {
    try {
      const models = read(await client.getJson(path, timeoutMs, signal));
      // An empty list of running models is an answer only if the server lists nothing else.
      if (models !== undefined && (kind === 'ollama' || models.some(({ loaded }) => loaded !== undefined)))
        return loadedOf(models);
    } catch {
      // Whatever went wrong, the page has no information.
    }
  }
  return undefined;
}

const LATEST = /:latest$/;

/** The loaded models by every name that calls may use: Ollama takes a name without a tag as the latest. */
export function loadedOf(models: readonly ModelFacts[]): LoadedModels {
  const loaded = models.filter((model) => model.loaded === true).map(({ id }) => id);
  const names = new Set(loaded.flatMap((id) => (LATEST.test(id) ? [id, id.replace(LATEST, '')] : [id])));
  // A second instance of a model is named after it.
  const isNamedAfter = (id: string): boolean => id.includes(':') && loaded.includes(id.slice(0, id.lastIndexOf(':')));
  return { names, count: loaded.filter((id) => !isNamedAfter(id)).length };
}
