import type { ResolvedSimulatorOptions, ServerFlavour } from './options.ts';

/** Error messages of each kind of server, in its own words. */
export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly error: string | object };
}

/** LM Studio has used both forms, depending on its version and the error. */
function lmStudio(status: number, message: string, isString: boolean, code: string | null = null): ErrorReply {
  const error = isString
    ? message
    : { message, type: 'invalid_request_error', param: code === null ? null : 'model', code };
  return { status, body: { error } };
}

/** The errors of Ollama's OpenAI routes. */
function ollama(status: number, message: string, type: string): ErrorReply {
  return { status, body: { error: { message, type, param: null, code: null } } };
}

function llamaCpp(code: number, message: string, type: string): ErrorReply {
  return { status: code, body: { error: { code, message, type } } };
}

/** The error class for each status. */
const VLLM_TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  404: 'NotFoundError',
  501: 'NotImplementedError',
  503: 'ServiceUnavailableError',
};

function vllm(code: number, message: string): ErrorReply {
  const type = VLLM_TYPES[code] ?? 'InternalServerError';
  return { status: code, body: { error: { message, type, param: null, code } } };
}

const LLAMA_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  413: 'invalid_request_error',
  501: 'not_supported_error',
  503: 'unavailable_error',
};

export class ErrorBodies {
  readonly #flavour: ServerFlavour;
  readonly #models: readonly string[];

  constructor(options: Pick<ResolvedSimulatorOptions, 'flavour' | 'models'>) {
    this.#flavour = options.flavour;
    this.#models = options.models.map((model) => model.id);
  }

  badRequest(message: string, isString: boolean): ErrorReply {
    return this.#reply(400, message, isString);
  }

  tooLarge(): ErrorReply {
    return this.#reply(413, 'request entity too large', true);
  }

  /** llama.cpp accepts any id. */
  unknownModel(id: string, isString: boolean): ErrorReply {
    if (this.#flavour === 'ollama')
      return ollama(404, `model "${id}" not found, try pulling it first`, 'not_found_error');
    if (this.#flavour === 'vllm') return vllm(404, `The model \`${id}\` does not exist.`);
    if (this.#models.length === 0) {
      return lmStudio(
        400,
        'No models loaded. Please load a model in the developer page or use the `lms load` command.',
        isString,
        'model_not_found',
      );
    }
    const hint = `Please specify a valid downloaded model (e.g. ${this.#models.slice(0, 3).join(', ')}).`;
    return lmStudio(400, `Invalid model identifier "${id}". ${hint}`, isString, 'model_not_found');
  }

  noVision(isString: boolean): ErrorReply {
    if (this.#flavour !== 'llamacpp')
      return this.#reply(400, 'Model does not support images. Please use a model that does.', isString);
    const hint = 'hint: if this is unexpected, you may need to provide the mmproj';
    return this.#reply(500, `image input is not supported - ${hint}`, isString);
  }

  /** llama.cpp only: its JSON parser rejects half of a surrogate pair. */
  notUnicode(): ErrorReply {
    const problem = 'surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF';
    return llamaCpp(500, `[json.exception.parse_error.101] parse error: invalid string: ${problem}`, 'server_error');
  }

  /** llama.cpp only: each answer takes a slot. */
  tooManyChoices(choices: number, slots: number): ErrorReply {
    const rule = `Value must be between 1 <= value <= ${slots}`;
    return llamaCpp(400, `Field 'n': ${rule}, but got ${choices}`, 'invalid_request_error');
  }

  /** More alternatives requested for a token than the server reports. */
  tooManyLogprobs(asked: number, max: number): ErrorReply {
    return this.#flavour === 'vllm'
      ? vllm(400, `Requested sample logprobs of ${asked}, which is greater than max allowed: ${max}`)
      : this.#reply(400, `top_logprobs must be between 0 and ${max}`, false);
  }

  /** The server supports this form of reads, but the model cannot answer it. */
  noDecisions(id: string): ErrorReply {
    return this.#flavour === 'ollama'
      ? ollama(400, `"${id}" does not support decisions`, 'invalid_request_error')
      : this.#reply(501, 'This model does not support decisions.', false);
  }

  /** A read whose prompt does not fit; a chat would be cut short instead. */
  tooLong(contextTokens: number): ErrorReply {
    return this.#reply(400, `The request exceeds the available context size (${contextTokens} tokens).`, false);
  }

  unparsable(isString: boolean): ErrorReply {
    const isLlamaCpp = this.#flavour === 'llamacpp';
    const message = isLlamaCpp
      ? 'The model produced output that does not match the expected peg-native format'
      : 'Failed to parse the output of the model.';
    return this.#reply(500, message, isString);
  }

  loading(): ErrorReply {
    return llamaCpp(503, 'Loading model', 'unavailable_error');
  }

  queueFull(isString: boolean): ErrorReply {
    return this.#reply(503, 'The server is overloaded: its queue is full.', isString);
  }

  crashed(isString: boolean): ErrorReply {
    const isLlamaCpp = this.#flavour === 'llamacpp';
    const message = isLlamaCpp
      ? 'Compute error.'
      : 'The model has crashed without additional information. (Exit code: null)';
    return this.#reply(500, message, isString);
  }

  /** The answer ended because its model was evicted for another one. */
  unloaded(): ErrorReply {
    return this.#reply(500, this.#flavour === 'llamacpp' ? 'Model unloaded' : 'Model unloaded.', false);
  }

  /** LM Studio answers 200 to unknown paths. */
  notFound(method: string, path: string): ErrorReply {
    switch (this.#flavour) {
      case 'ollama':
        return ollama(404, '404 page not found', 'not_found_error');
      case 'vllm':
        return vllm(404, 'Not Found');
      case 'llamacpp':
        return llamaCpp(404, 'File Not Found', 'not_found_error');
      case 'lmstudio':
        return { status: 200, body: { error: `Unexpected endpoint or method. (${method} ${path})` } };
      default:
        return this.#flavour satisfies never;
    }
  }

  #reply(status: number, message: string, isString: boolean): ErrorReply {
    if (this.#flavour === 'llamacpp') return llamaCpp(status, message, LLAMA_TYPES[status] ?? 'server_error');
    return this.#flavour === 'vllm' ? vllm(status, message) : lmStudio(status, message, isString);
  }
}
