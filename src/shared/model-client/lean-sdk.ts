import OpenAI, { type ClientOptions } from 'openai';

type Fetch = NonNullable<ClientOptions['fetch']>;
type FetchWithTimeout = OpenAI['fetchWithTimeout'];
type BuildRequest = OpenAI['buildRequest'];
type BuiltRequest = Awaited<ReturnType<BuildRequest>>;

/** Headers of a request whose body is bytes of JSON. */
export const BYTES_HEADERS = { 'content-type': 'application/json' } as const;
/** Stands for the body of a request that is built once: its headers are the same for any. */
const NO_BODY = {};

/**
 * The SDK with two of its public methods replaced.
 *
 * `buildRequest`, a documented extension point ("complete replacement builders"): URL and headers of a client never change,
 * because its key is fixed, so those of the first call are reused. Building and checking some fifteen headers is half of what
 * the SDK costs a call.
 *
 * `fetchWithTimeout`: its timer and its composite signal are removed. Our own timeout always comes first, and `Transport` gets
 * the signal of the call itself.
 */
export class LeanOpenAI extends OpenAI {
  readonly #fetch: Fetch;
  /** By path, for chats and for bytes. */
  readonly #built = new Map<string, BuiltRequest>();

  constructor(options: ClientOptions & { readonly fetch: Fetch }) {
    super(options);
    this.#fetch = options.fetch;
  }

  override fetchWithTimeout(...[url, init]: Parameters<FetchWithTimeout>): ReturnType<FetchWithTimeout> {
    return this.#fetch(url, init);
  }

  override async buildRequest(...[options, context]: Parameters<BuildRequest>): Promise<BuiltRequest> {
    const isBytes = options.headers === BYTES_HEADERS;
    const isChat = options.headers === undefined && options.path === '/chat/completions';
    if (!(isBytes || isChat) || options.method !== 'post' || options.query !== undefined) {
      return super.buildRequest(options, context);
    }
    const key = `${isBytes} ${options.path}`;
    const built =
      this.#built.get(key) ?? (await super.buildRequest({ ...options, body: NO_BODY, fetchOptions: {} }, context));
    this.#built.set(key, built);
    const { req, url, timeout } = built;
    const body = isBytes ? options.body : JSON.stringify(options.body);
    // The SDK's type of a finished request is an intersection, which a spread loses.
    return { req: { ...req, ...options.fetchOptions, body } as BuiltRequest['req'], url, timeout };
  }
}
