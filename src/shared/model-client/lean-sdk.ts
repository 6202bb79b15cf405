import OpenAI, { type ClientOptions } from 'openai';

type Fetch = NonNullable<ClientOptions['fetch']>;
type FetchWithTimeout = OpenAI['fetchWithTimeout'];
type BuildRequest = OpenAI['buildRequest'];
type BuiltRequest = Awaited<ReturnType<BuildRequest>>;

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
  #built: BuiltRequest | undefined;

  constructor(options: ClientOptions & { readonly fetch: Fetch }) {
    super(options);
    this.#fetch = options.fetch;
  }

  override fetchWithTimeout(...[url, init]: Parameters<FetchWithTimeout>): ReturnType<FetchWithTimeout> {
    return this.#fetch(url, init);
  }

  override async buildRequest(...[options, context]: Parameters<BuildRequest>): Promise<BuiltRequest> {
    const isChat = options.method === 'post' && options.path === '/chat/completions';
    if (!isChat || options.headers !== undefined || options.query !== undefined) {
      return super.buildRequest(options, context);
    }
    this.#built ??= await super.buildRequest({ ...options, fetchOptions: {} }, context);
    const { req, url, timeout } = this.#built;
    const body = JSON.stringify(options.body);
    // The SDK's type of a finished request is an intersection, which a spread loses.
    return { req: { ...req, ...options.fetchOptions, body } as BuiltRequest['req'], url, timeout };
  }
}
