import type { ResolvedSimulatorOptions } from './options.ts';

/** What the kinds of servers say when something is wrong, in their own words. */
export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly error: string | object };
}

/** LM Studio has answered with both forms, depending on its version and on what is wrong. */
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

export class ErrorBodies {
  readonly #isLlamaCpp: boolean;
  readonly #isOllama: boolean;
  readonly #models: readonly string[];

  constructor(options: Pick<ResolvedSimulatorOptions, 'flavour' | 'models'>) {
    this.#isLlamaCpp = options.flavour === 'llamacpp';
    this.#isOllama = options.flavour === 'ollama';
    this.#models = options.models.map((model) => model.id);
  }

  badRequest(message: string, isString: boolean): ErrorReply {
    return !this.#isLlamaCpp ? lmStudio(400, message, isString) : llamaCpp(400, message, 'invalid_request_error');
  }

  tooLarge(): ErrorReply {
    return !this.#isLlamaCpp
      ? lmStudio(413, 'request entity too large', true)
      : llamaCpp(413, 'request entity too large', 'invalid_request_error');
  }

  /** llama.cpp takes any id. */
  unknownModel(id: string, isString: boolean): ErrorReply {
    if (this.#isOllama) return ollama(404, `model "${id}" not found, try pulling it first`, 'not_found_error');
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
    return !this.#isLlamaCpp
      ? lmStudio(400, 'Model does not support images. Please use a model that does.', isString)
      : llamaCpp(
          500,
          'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
          'server_error',
        );
  }

  /** llama.cpp only: its parser of JSON takes no half of a surrogate pair. */
  notUnicode(): ErrorReply {
    const problem = 'surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF';
    return llamaCpp(500, `[json.exception.parse_error.101] parse error: invalid string: ${problem}`, 'server_error');
  }

  /** llama.cpp only: each answer takes a slot. */
  tooManyChoices(choices: number, slots: number): ErrorReply {
    const rule = `Value must be between 1 <= value <= ${slots}`;
    return llamaCpp(400, `Field 'n': ${rule}, but got ${choices}`, 'invalid_request_error');
  }

  unparsable(isString: boolean): ErrorReply {
    return !this.#isLlamaCpp
      ? lmStudio(500, 'Failed to parse the output of the model.', isString)
      : llamaCpp(500, 'The model produced output that does not match the expected peg-native format', 'server_error');
  }

  loading(): ErrorReply {
    return llamaCpp(503, 'Loading model', 'unavailable_error');
  }

  queueFull(isString: boolean): ErrorReply {
    return !this.#isLlamaCpp
      ? lmStudio(503, 'The server is overloaded: its queue is full.', isString)
      : llamaCpp(503, 'The server is overloaded: its queue is full.', 'unavailable_error');
  }

  crashed(isString: boolean): ErrorReply {
    return !this.#isLlamaCpp
      ? lmStudio(500, 'The model has crashed without additional information. (Exit code: null)', isString)
      : llamaCpp(500, 'Compute error.', 'server_error');
  }

  /** A model that has to go for another one takes its answers with it. */
  unloaded(): ErrorReply {
    return this.#isLlamaCpp ? llamaCpp(500, 'Model unloaded', 'server_error') : lmStudio(500, 'Model unloaded.', false);
  }

  /** LM Studio answers 200 to paths that it does not have. */
  notFound(method: string, path: string): ErrorReply {
    if (this.#isOllama) return ollama(404, '404 page not found', 'not_found_error');
    return !this.#isLlamaCpp
      ? { status: 200, body: { error: `Unexpected endpoint or method. (${method} ${path})` } }
      : llamaCpp(404, 'File Not Found', 'not_found_error');
  }
}
