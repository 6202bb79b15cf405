import type { ReaderPorts } from './answer-reader.ts';
import { type ChunkEvent, finishReasonOf, textOf } from './chat-event.ts';
import { ChatReader } from './chat-reader.ts';

/** Maximum length of an answer. Beyond it the connection is closed. */
const ANSWER_CHARS_MAX = 200_000;
const STREAM_BYTES_MAX = 8_000_000;

export interface ChatStreamOptions extends ReaderPorts {
  /** True if a schema was asked for. */
  readonly isConstrained: boolean;
  /** Called once per network read: true ends the stream and its connection. */
  readonly isComplete: ((content: string) => boolean) | undefined;
  /** Called once per network read that leaves the answer open, with the whole answer so far. */
  readonly onContent?: ((content: string) => void) | undefined;
}

/** Reads the text of one answer. It is whole once its choice has a finish reason: anything that may follow, at most its tokens, is not waited for. */
export class ChatStream extends ChatReader {
  content = '';
  reasoning = '';
  finishReason: string | undefined;
  readonly #options: ChatStreamOptions;

  constructor(options: ChatStreamOptions) {
    const bounds = { streamBytesMax: STREAM_BYTES_MAX, bodyBytesMax: STREAM_BYTES_MAX };
    super(options, bounds, 1, options.isConstrained);
    this.#options = options;
  }

  protected override get isWhole(): boolean {
    return super.isWhole || this.#options.isComplete?.(this.content) === true;
  }

  protected override afterRead(): void {
    if (this.bytes.isBody) return;
    if (this.progress.isFinished) return this.finish();
    if (this.#options.isComplete?.(this.content)) this.stop();
    else this.#options.onContent?.(this.content);
  }

  protected take({ choices }: ChunkEvent, _data: string, isBody: boolean): void {
    const choice = Array.isArray(choices) ? choices[0] : undefined;
    const part = choice?.delta ?? choice?.message;
    if (part !== null && typeof part === 'object') {
      const { words, thought } = textOf(part);
      // One event cannot show how many tokens a whole body has.
      if (words !== '' || thought !== '') this.alive(isBody ? 0 : 1);
      this.content += words;
      this.reasoning += thought;
    }
    this.finishReason = finishReasonOf(choice) ?? this.finishReason;
    if (!isBody && this.content.length + this.reasoning.length > ANSWER_CHARS_MAX) this.flood();
  }
}
