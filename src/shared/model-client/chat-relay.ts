import type { OpenAI } from 'openai';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import type { Clock } from '../clock.ts';
import type { PlannerError } from '../errors.ts';
import type { CallReport } from '../tasks.ts';
import type { AnswerBounds } from './answer-bytes.ts';
import type { ReaderPorts, Refusal } from './answer-reader.ts';
import { CallAttempt, type PassedBody } from './call-attempt.ts';
import type { PhaseLimits } from './call-watch.ts';
import { type ChunkEvent, contentOf } from './chat-event.ts';
import { ChatReader } from './chat-reader.ts';
import type { StreamOptions } from './stream-options.ts';

/**
 * A chat call on behalf of a client: its body is sent unchanged, and its answer is reported event by event, in the server's own
 * words. Nothing is added, and only errors are held back.
 */
export interface RelayCall {
  readonly body: Readonly<Record<string, unknown>>;
  /** The remaining members of a large body. */
  readonly rest?: RestOfBody;
  /** Time limit of the whole call, in milliseconds. */
  readonly timeoutMs: number;
  readonly phases?: PhaseLimits;
  /** Number of answers asked for (`n`): the stream is whole when this many have ended. */
  readonly choices: number;
  readonly listener: RelayListener;
}

/** Members of a large body that are already written as JSON. */
export interface RestOfBody {
  /** The JSON in pieces, without the braces. */
  readonly json: readonly Buffer[];
  /** True if they ask for a schema. */
  readonly isConstrained: boolean;
}

export interface RelayListener {
  /** Called with each event of a stream, as the server wrote it and as parsed. */
  onEvent(data: string, event: ChunkEvent): void;
  /** Called with the whole answer of a server that does not stream. */
  onBody(text: string, body: ChunkEvent): void;
}

export interface RelayEnd {
  /** Absent if the answer is whole. */
  readonly failure?: PlannerError;
  /** What the server said, if it refused the call or broke it off. */
  readonly refusal?: Refusal;
  readonly report: CallReport;
}

/** A call under way. */
export interface Relay<E extends RelayEnd = RelayEnd> {
  /** Never rejects. */
  readonly ended: Promise<E>;
  /** Stops reading until `resume`; meanwhile only the total time continues. */
  pause(): void;
  resume(): void;
}

/** Maximum sizes of an answer. Beyond them the connection is closed. */
const BOUNDS: AnswerBounds = { streamBytesMax: 64_000_000, bodyBytesMax: 16 * 1_048_576 };

export function startRelay(
  sdk: OpenAI,
  clock: Clock,
  streamOptions: StreamOptions,
  call: RelayCall,
  signal: AbortSignal | undefined,
): Relay {
  let isPaused = false;
  let attempt: CallAttempt<RelayReader> | undefined;
  const ended = streamOptions.call(call, signal, (body, timeoutMs) => {
    attempt = relayAttempt(sdk, clock, { ...call, body, timeoutMs }, signal);
    if (isPaused) attempt.pause();
    return attempt.run();
  });
  return {
    ended: ended.then(({ reader: _reader, ...end }) => end),
    pause: () => {
      isPaused = true;
      attempt?.pause();
    },
    resume: () => {
      isPaused = false;
      attempt?.resume();
    },
  };
}

function relayAttempt(
  sdk: OpenAI,
  clock: Clock,
  { body, rest, timeoutMs, phases, choices, listener }: RelayCall,
  signal: AbortSignal | undefined,
): CallAttempt<RelayReader> {
  const isConstrained = body.response_format !== undefined || rest?.isConstrained === true;
  return new CallAttempt(
    sdk,
    clock,
    {
      // Anything a client sends is passed on: the servers reject what they do not accept.
      body: rest === undefined ? (body as unknown as ChatCompletionCreateParams) : withRest(body, rest),
      timeoutMs,
      phases,
      isStreamed: body.stream === true,
      isConstrained,
      read: (ports) => new RelayReader(ports, listener, choices, isConstrained),
    },
    signal,
  );
}

function withRest(body: RelayCall['body'], { json }: RestOfBody): PassedBody {
  const head = JSON.stringify(body).slice(0, -1);
  return { path: '/chat/completions', bytes: Buffer.concat([Buffer.from(`${head},`), ...json, Buffer.from('}')]) };
}

class RelayReader extends ChatReader {
  readonly #listener: RelayListener;
  #wasFinished = false;

  constructor(ports: ReaderPorts, listener: RelayListener, choices: number, isConstrained: boolean) {
    super(ports, BOUNDS, choices, isConstrained);
    this.#listener = listener;
  }

  protected override afterRead(): void {
    if (!this.progress.isFinished || this.#wasFinished) return;
    this.#wasFinished = true;
    this.ports.onFinished();
  }

  protected take(event: ChunkEvent, data: string, isBody: boolean): void {
    if (isBody) return this.report(() => this.#listener.onBody(data, event));
    if (contentOf(event) !== 'none') this.alive();
    this.report(() => this.#listener.onEvent(data, event));
  }
}
