import { PlannerError } from '../errors.ts';
import type { AnswerBounds } from './answer-bytes.ts';
import { AnswerProgress } from './answer-progress.ts';
import { AnswerReader, type ReaderPorts } from './answer-reader.ts';
import { type ChunkEvent, errorOf, parseEvent, statusOf, type TokenUsage } from './chat-event.ts';

/** Reads the answer to a chat. It is whole once each of its choices has a finish reason. */
export abstract class ChatReader extends AnswerReader {
  protected readonly progress: AnswerProgress;

  /** `choices` is the number of answers asked for; `isConstrained` is whether a schema was. */
  constructor(ports: ReaderPorts, bounds: AnswerBounds, choices: number, isConstrained: boolean) {
    super(ports, bounds);
    this.progress = new AnswerProgress(choices, isConstrained);
  }

  get model(): string | undefined {
    return this.progress.model;
  }

  get usage(): TokenUsage {
    return this.progress.usage;
  }

  protected override get isWhole(): boolean {
    return super.isWhole || this.progress.isFinished;
  }

  /** Takes what an event adds to the answer, or the whole answer. */
  protected abstract take(event: ChunkEvent, data: string, isBody: boolean): void;

  protected override endFailure(): PlannerError | undefined {
    return this.progress.endFailure();
  }

  protected override cutFailure(message: string, cause?: Error): PlannerError {
    return this.progress.cutFailure(message, cause);
  }

  protected onEvent(data: string, name?: string): void {
    const event = this.#read(parseEvent(data), name);
    if (event !== undefined) this.take(event, data, false);
  }

  protected readBody(isEnded: boolean): void {
    const { text } = this.bytes;
    const body = parseEvent(text);
    if (!(body instanceof PlannerError)) return this.#takeBody(this.#read(body), text);
    const message = 'the response is neither a stream nor JSON';
    if (isEnded) this.settle(new PlannerError('ERR_MODEL_MALFORMED', message, { cause: body }));
  }

  #takeBody(body: ChunkEvent | undefined, text: string): void {
    if (body === undefined) return;
    const failure = this.progress.bodyFailure(body);
    if (failure === undefined) this.take(body, text, true);
    this.settle(failure);
  }

  /** Returns undefined if the event reports a failure, which ends the answer. */
  #read(said: unknown, name?: string): ChunkEvent | undefined {
    const failure = this.progress.take(said, name);
    if (failure === undefined) return said as ChunkEvent;
    if (!(said instanceof PlannerError) && said !== null && typeof said === 'object') {
      const error = errorOf(said as ChunkEvent, name);
      this.refusal = { status: statusOf(error), error };
    }
    this.stop(failure);
    return undefined;
  }
}
