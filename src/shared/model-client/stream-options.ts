import type { Clock } from '../clock.ts';
import type { PlannerError } from '../errors.ts';
import type { Refusal } from './answer-reader.ts';

/**
 * Tracks whether a server accepts `stream_options`, which asks it to report the tokens of a stream. Older servers and strict
 * gateways refuse the whole call for it. Then the call is repeated without it, and for a while later calls omit it from the
 * start.
 */
const RETRY_MS = 600_000;

/** Codes that a refusal of one member may have; others concern the model, the key or the load. */
const REFUSED = new Set(['ERR_MODEL_REJECTED', 'ERR_MODEL_SCHEMA', 'ERR_MODEL_STATUS']);
const NAMED = /stream[_ ]?options|include[_ ]?usage/i;
/** Matches refusals of a member that is not named, and those without words. */
const UNNAMED =
  /\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|extra|additional|not (?:permitted|allowed|supported))\b.{0,60}\b(?:fields?|param(?:eter)?s?|propert(?:y|ies)|arguments?|inputs?|keys?|options?|members?)\b/i;
const WORDLESS =
  /^\d{3}(?: (?:status code \(no body\)|bad request|unprocessable (?:entity|content)|invalid request|error)\.?)?$/i;
const CHARS_READ = 4_000;

/** Names that may appear in any refusal. */
const COMMON: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'n', 'stop', 'user', 'stream_options']);

type Body = Readonly<Record<string, unknown>>;

export class StreamOptions {
  readonly #clock: Clock;
  #refusedUntilMs = Number.NEGATIVE_INFINITY;
  /** True once the server has answered a call that had the options. */
  #areTaken = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Makes a call, and repeats it without the options if the server may have refused them. */
  async call<B extends object, E extends { readonly failure?: PlannerError; readonly refusal?: Refusal }>(
    call: { readonly body: B; readonly timeoutMs: number },
    signal: AbortSignal | undefined,
    attempt: (body: B, timeoutMs: number) => Promise<E>,
  ): Promise<E> {
    const endMs = this.#clock.now() + call.timeoutMs;
    const body = this.bodyFor(call.body);
    const first = await attempt(body, call.timeoutMs);
    const again = this.again(body, first.failure, first.refusal);
    const leftMs = endMs - this.#clock.now();
    if (again === undefined || leftMs <= 0 || signal?.aborted) return first;
    const second = await attempt(again, leftMs);
    if (second.failure === undefined) this.refused();
    return second;
  }

  /** The body as the server accepts it, as far as is known. */
  bodyFor<B extends object>(body: B): B {
    return this.#clock.now() < this.#refusedUntilMs ? withoutOptions(body) : body;
  }

  /** Records how a call ended. Returns the body to repeat it with, if the options may be what was refused. */
  again<B extends object>(body: B, failure: PlannerError | undefined, refusal: Refusal | undefined): B | undefined {
    if (!('stream_options' in body)) return undefined;
    if (failure === undefined) {
      this.#areTaken = true;
      return undefined;
    }
    if (!REFUSED.has(failure.code)) return undefined;
    const words = wordsOf(failure, refusal);
    if (NAMED.test(words)) this.refused();
    else if (this.#areTaken || !isUnnamed(failure, words, body as Body)) return undefined;
    return withoutOptions(body);
  }

  /** Records that a call was refused with the options and accepted without them. */
  refused(): void {
    this.#areTaken = false;
    this.#refusedUntilMs = this.#clock.now() + RETRY_MS;
  }
}

function withoutOptions<B extends object>(body: B): B {
  const { stream_options: _options, ...rest } = body as { readonly stream_options?: unknown };
  return rest as B;
}

function wordsOf({ message }: PlannerError, refusal: Refusal | undefined): string {
  const said = refusal?.error === undefined ? '' : (JSON.stringify(refusal.error) ?? '');
  return `${message} ${said}`.slice(0, CHARS_READ).trim();
}

/** Whether a request was refused because of something unnamed; a named member would be another one. */
function isUnnamed({ message }: PlannerError, words: string, body: Body): boolean {
  if (!/^4(?:00|22)\b/.test(message)) return false;
  const isOther = Object.keys(body).some((name) => !COMMON.has(name) && words.includes(name));
  return !isOther && (UNNAMED.test(words) || WORDLESS.test(message.replace(/["{}\s]+/g, ' ').trim()));
}
