import OpenAI from 'openai';

type BuildRequest = OpenAI['buildRequest'];
type BuiltRequest = Awaited<ReturnType<BuildRequest>>;

/**
 * The SDK with a builder of its own for chat calls, an extension point that it names ("complete replacement builders").
 * URL and headers of a client never change, since its key is fixed, so the first call's are kept: building and checking
 * some fifteen headers anew is half of what the SDK costs a call.
 */
export class LeanOpenAI extends OpenAI {
  #built: BuiltRequest | undefined;

  override async buildRequest(...[options, context]: Parameters<BuildRequest>): Promise<BuiltRequest> {
    const isChat = options.method === 'post' && options.path === '/chat/completions';
    if (!isChat || options.headers !== undefined || options.query !== undefined) {
      return super.buildRequest(options, context);
    }
    this.#built ??= await super.buildRequest({ ...options, fetchOptions: {} }, context);
    const { req, url, timeout } = this.#built;
    const body = JSON.stringify(options.body);
    // The SDK's type of a finished request is an intersection that a spread loses.
    return { req: { ...req, ...options.fetchOptions, body } as BuiltRequest['req'], url, timeout };
  }
}
