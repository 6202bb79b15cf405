import type { ResolvedSimulatorOptions, SimulatedModel } from './options.ts';

/** The data of the pages: the settings, and the machine's current state. */
export interface InfoSource {
  readonly options: Pick<ResolvedSimulatorOptions, 'flavour' | 'models' | 'slots' | 'reads'>;
  /** Number of slots at work, or still busy with an aborted request. */
  readonly busySlots: number;
  isLoaded(modelId: string): boolean;
}

/**
 * The pages in which servers report about themselves with GET, in the formats of llama.cpp, Ollama, LM Studio and vLLM. Undefined if the flavour has
 * no such path.
 */
export function infoPage(path: string, source: InfoSource): object | undefined {
  if (path === '/v1/models') return modelList(source);
  switch (source.options.flavour) {
    case 'llamacpp':
      return llamaPage(path, source);
    case 'ollama':
      return ollamaPage(path, source);
    case 'lmstudio':
      return studioPage(path, source);
    case 'vllm':
      return vllmPage(path);
    default:
      return source.options.flavour satisfies never;
  }
}

const OWNERS = { llamacpp: 'llamacpp', ollama: 'library', lmstudio: 'organization_owner', vllm: 'vllm' } as const;

/** llama.cpp lists one model, and whether it is for decisions; vLLM reports its context. */
function modelList({ options: { flavour, models, reads } }: InfoSource): object {
  const owned_by = OWNERS[flavour];
  const listed = flavour === 'llamacpp' ? models.slice(0, 1) : models;
  const decides = flavour === 'llamacpp' && reads.includes('systemone');
  const data = listed.map(({ id, vision, contextTokens }) => ({
    id,
    object: 'model',
    owned_by,
    ...(decides ? { architecture: { input_modalities: seen(vision), output_modalities: ['decisions'] } } : {}),
    ...(flavour === 'vllm' ? { max_model_len: contextTokens } : {}),
  }));
  return { object: 'list', data };
}

function seen(vision: boolean): string[] {
  return vision ? ['text', 'image'] : ['text'];
}

function vllmPage(path: string): object | undefined {
  return path === '/version' ? { version: '0.33.0' } : undefined;
}

function llamaPage(path: string, { options, busySlots }: InfoSource): object | undefined {
  const model = options.models[0] as SimulatedModel;
  switch (path) {
    case '/health':
      return { status: 'ok' };
    case '/props':
      return {
        total_slots: options.slots,
        model_path: model.id,
        modalities: { vision: model.vision, audio: false },
        default_generation_settings: { n_ctx: model.contextTokens },
      };
    case '/slots':
      // The machine reports how many are busy, not which; for counting them that makes no difference.
      return Array.from({ length: options.slots }, (_, id) => ({
        id,
        n_ctx: model.contextTokens,
        is_processing: id < busySlots,
      }));
    default:
      return undefined;
  }
}

/** Lists all models, or those in memory. */
function ollamaPage(path: string, { options: { models, reads }, isLoaded }: InfoSource): object | undefined {
  const told = (model: SimulatedModel): object => ollamaModel(model, reads.includes('systemone'));
  switch (path) {
    case '/api/tags':
      return { models: models.map(told) };
    case '/api/ps':
      return { models: models.filter(({ id }) => isLoaded(id)).map(told) };
    default:
      return undefined;
  }
}

function ollamaModel({ id, vision, contextTokens }: SimulatedModel, decides: boolean): object {
  return {
    name: id,
    model: id,
    context_length: contextTokens,
    capabilities: ['completion', ...(vision ? ['vision'] : []), ...(decides ? ['decision'] : [])],
  };
}

function studioPage(path: string, source: InfoSource): object | undefined {
  const { models } = source.options;
  switch (path) {
    case '/api/v1/models':
      return { models: models.map((model) => studioModel(model, source)) };
    case '/api/v0/models':
      return { object: 'list', data: models.map((model) => oldStudioModel(model, source)) };
    default:
      return undefined;
  }
}

/** Each loaded model claims all slots of the machine, although it shares them. */
function studioModel({ id, vision, contextTokens }: SimulatedModel, source: InfoSource): object {
  const config = { context_length: contextTokens, parallel: source.options.slots };
  return {
    type: 'llm',
    key: id,
    loaded_instances: source.isLoaded(id) ? [{ id, config }] : [],
    max_context_length: contextTokens,
    capabilities: { vision, trained_for_tool_use: false },
  };
}

function oldStudioModel({ id, vision, contextTokens }: SimulatedModel, source: InfoSource): object {
  return {
    id,
    object: 'model',
    type: vision ? 'vlm' : 'llm',
    state: source.isLoaded(id) ? 'loaded' : 'not-loaded',
    max_context_length: contextTokens,
  };
}
