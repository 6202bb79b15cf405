/** Pages in the shapes that servers send, shortened: a path that is not here is one the server does not have. */
export type RecordedPages = Readonly<Record<string, unknown>>;

export const LLAMA: RecordedPages = {
  '/v1/models': {
    models: [
      { name: '/models/qwen3-4b-q4_k_m.gguf', model: '/models/qwen3-4b-q4_k_m.gguf', capabilities: ['completion'] },
    ],
    object: 'list',
    data: [
      {
        id: '/models/qwen3-4b-q4_k_m.gguf',
        object: 'model',
        created: 1_790_000_000,
        owned_by: 'llamacpp',
        meta: { vocab_type: 2, n_vocab: 151_936, n_ctx_train: 40_960, n_params: 4_022_468_096 },
      },
    ],
  },
  '/props': {
    default_generation_settings: { id: 0, id_task: -1, n_ctx: 4_096, speculative: false, is_processing: false },
    total_slots: 4,
    model_path: '/models/qwen3-4b-q4_k_m.gguf',
    modalities: { vision: true, audio: false },
    chat_template: '{{ messages }}',
    build_info: 'b10229-1d7ab2b9',
  },
  '/slots': [
    { id: 0, id_task: 12, n_ctx: 4_096, is_processing: true, prompt: 'SITUATION', next_token: [{ n_decoded: 3 }] },
    { id: 1, n_ctx: 4_096, is_processing: false },
    { id: 2, n_ctx: 4_096, is_processing: true },
    { id: 3, n_ctx: 4_096, is_processing: false },
  ],
  // Imitates Ollama.
  '/api/tags': { models: [{ name: '/models/qwen3-4b-q4_k_m.gguf' }] },
};

export const LLAMA_ROUTER: RecordedPages = {
  '/v1/models': {
    object: 'list',
    data: [
      {
        id: 'ggml-org/gemma-3-4b-it-GGUF:Q4_K_M',
        owned_by: 'llamacpp',
        status: { value: 'loaded', args: ['-c', '8192'] },
      },
      { id: 'qwen3-4b', owned_by: 'llamacpp', status: { value: 'unloaded' } },
    ],
  },
  '/props': { role: 'router', max_instances: 4, build_info: 'b10229' },
};

const NOT_THERE = { error: 'Unexpected endpoint or method. (GET /props)' };

export const STUDIO: RecordedPages = {
  '/v1/models': {
    object: 'list',
    data: [
      { id: 'google/gemma-3-4b', object: 'model', owned_by: 'organization_owner' },
      { id: 'microsoft/phi-4-mini-reasoning', object: 'model', owned_by: 'organization_owner' },
      { id: 'phi-fast', object: 'model', owned_by: 'organization_owner' },
      { id: 'qwen/qwen3-4b', object: 'model', owned_by: 'organization_owner' },
      { id: 'text-embedding-nomic-embed-text-v1.5', object: 'model', owned_by: 'organization_owner' },
      { id: 'just-loaded', object: 'model', owned_by: 'organization_owner' },
    ],
  },
  '/props': NOT_THERE,
  '/slots': NOT_THERE,
  '/api/tags': NOT_THERE,
  '/api/ps': NOT_THERE,
  '/api/v1/models': {
    models: [
      {
        type: 'llm',
        publisher: 'google',
        key: 'google/gemma-3-4b',
        display_name: 'Gemma 3 4B',
        quantization: { name: 'Q4_K_M', bits_per_weight: 4 },
        loaded_instances: [{ id: 'google/gemma-3-4b', config: { context_length: 8_192, parallel: 2 } }],
        max_context_length: 131_072,
        capabilities: { vision: true, trained_for_tool_use: false },
      },
      {
        type: 'llm',
        key: 'microsoft/phi-4-mini-reasoning',
        loaded_instances: [
          { id: 'phi-fast', config: { context_length: 4_096, parallel: 4 } },
          { id: 'microsoft/phi-4-mini-reasoning', config: { context_length: 16_384, parallel: 1 } },
        ],
        max_context_length: 131_072,
        capabilities: { vision: false, trained_for_tool_use: true },
      },
      { type: 'llm', key: 'qwen/qwen3-4b', loaded_instances: [], max_context_length: 40_960 },
      {
        type: 'embedding',
        key: 'text-embedding-nomic-embed-text-v1.5',
        loaded_instances: [
          { id: 'text-embedding-nomic-embed-text-v1.5', config: { context_length: 2_048, parallel: 64 } },
        ],
        max_context_length: 2_048,
      },
    ],
  },
};

/** Before LM Studio 0.4. */
export const STUDIO_OLD: RecordedPages = {
  '/v1/models': { data: [{ id: 'qwen2-vl-7b-instruct' }, { id: 'meta-llama-3.1-8b-instruct' }, { id: 'nomic' }] },
  '/api/v1/models': NOT_THERE,
  '/api/v0/models': {
    object: 'list',
    data: [
      { id: 'qwen2-vl-7b-instruct', type: 'vlm', state: 'not-loaded', max_context_length: 32_768 },
      {
        id: 'meta-llama-3.1-8b-instruct',
        type: 'llm',
        state: 'loaded',
        max_context_length: 131_072,
        loaded_context_length: 4_096,
      },
      { id: 'nomic', type: 'embeddings', state: 'not-loaded', max_context_length: 2_048 },
    ],
  },
};

export const OLLAMA: RecordedPages = {
  '/v1/models': {
    object: 'list',
    data: [
      { id: 'gemma3:latest', object: 'model', created: 1_760_000_000, owned_by: 'library' },
      { id: 'llava:7b', object: 'model', created: 1_760_000_000, owned_by: 'library' },
      { id: 'nomic-embed-text:latest', object: 'model', created: 1_760_000_000, owned_by: 'library' },
    ],
  },
  '/api/tags': {
    models: [
      {
        name: 'gemma3:latest',
        model: 'gemma3:latest',
        size: 3_338_801_804,
        details: { format: 'gguf', family: 'gemma3', families: ['gemma3'], context_length: 131_072 },
        capabilities: ['completion', 'vision'],
      },
      // As of a version that tells no capabilities.
      { name: 'llava:7b', model: 'llava:7b', details: { family: 'llama', families: ['llama', 'clip'] } },
      { name: 'nomic-embed-text:latest', details: { families: ['nomic-bert'] }, capabilities: ['embedding'] },
    ],
  },
  '/api/ps': {
    models: [{ name: 'gemma3:latest', model: 'gemma3:latest', size_vram: 5_333_539_264, context_length: 4_096 }],
  },
};

export const VLLM: RecordedPages = {
  '/v1/models': {
    object: 'list',
    data: [
      {
        id: 'meta-llama/Meta-Llama-3-8B-Instruct',
        object: 'model',
        owned_by: 'vllm',
        root: 'meta-llama/Meta-Llama-3-8B-Instruct',
        parent: null,
        max_model_len: 8_192,
        permission: [],
      },
    ],
  },
};
