import type { Domain } from './domain.ts';
import type { ErrorWire } from './errors.ts';
import type { PhaseLimits } from './model-client/call-watch.ts';
import type { ReadCall, Reading } from './reads/reading.ts';
import type { AnswerForm, Preamble, Situation } from './situation.ts';
import type { Vote } from './vote/vote-parser.ts';

/**
 * The wire between the coordinator and its workers: data only, no signals (they arrive as `{}`), and durations instead of
 * instants. What does not change between tasks is sent once, as `WorkerSetup`, when the thread starts.
 */
export interface EndpointAddress {
  readonly name: string;
  readonly baseURL: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Identifies the cancel word of one task in the `CancelBoard`. */
export interface CancelTicket {
  readonly slot: number;
  readonly generation: number;
}

/** Sent to a worker thread once, when it starts. */
export interface WorkerSetup {
  readonly domain: Domain;
  /** All domains by name, if there are several. */
  readonly domains?: Readonly<Record<string, Domain>>;
  readonly endpoints: readonly EndpointAddress[];
  readonly cancelBuffer: SharedArrayBuffer;
  /** Maximum number of connections that a thread may open to one endpoint. */
  readonly connectionsMax: number;
}

/** Limits of one call, and how it is asked for. */
export interface CallTerms {
  readonly timeoutMs: number;
  /** Time limits of its phases, as durations too. */
  readonly phases?: PhaseLimits;
  readonly answer: AnswerForm;
  readonly stream: boolean;
  /** True if the server can report its tokens with every event (llama.cpp), so that those of a cut stream are known. */
  readonly tellsTokens?: boolean;
}

/** How a model is asked for a vote, for experts and syntheses alike. */
export interface VoteTerms extends CallTerms {
  readonly model: string;
  readonly maxTokens: number;
  readonly temperature: number;
  /** True if a JSON answer begins with a thought. Has no effect on text. */
  readonly thinks: boolean;
}

export interface ExpertTask extends VoteTerms {
  readonly kind: 'expert';
  /** Shared by the experts of one plan, as is the rendered situation. */
  readonly planId: number;
  /** Name of its domain, if there are several. */
  readonly domain?: string;
  readonly role: string;
  readonly endpoint: string;
  readonly situation: Situation;
  /** What all prompts of its seat begin with. Default: the descriptions of all roles. */
  readonly preamble?: Preamble;
  /** What was left out of its situation so that the prompt fits the model; absent if nothing was. */
  readonly trimmed?: string;
  /** True if others wait until the model has read its prompt: the thread then reports that in shared memory. */
  readonly primes?: boolean;
  /** True if its choice counts as soon as it is certain: the thread then reports it in shared memory. */
  readonly tellsChoice?: boolean;
  readonly cancel: CancelTicket;
  /** Present if the probabilities of the actions are asked for, instead of words. */
  readonly read?: ReadTerms;
}

/** How a decision is read. */
export interface ReadTerms
  extends Pick<ReadCall, 'form' | 'alternativesMax' | 'tokensMax' | 'thinkingSwitch' | 'turn'> {
  /** The roles asked in one request. */
  readonly roles: readonly string[];
}

/** Settles when the thread has loaded everything that the first expert task needs. */
export interface ReadyTask {
  readonly kind: 'ready';
}

export type Task = ExpertTask | ReadyTask;

/** The cost of a model call and what it reported about itself. Times are in milliseconds from the start of the call. */
export interface CallReport {
  /** Time to the response headers: connecting, and waiting for a slot. Absent without a stream. */
  readonly queueMs?: number;
  readonly firstTokenMs?: number;
  /** Time until the choice of its answer was certain. Absent if that was not before its end. */
  readonly choiceMs?: number;
  /** The longest pause between two tokens, in milliseconds. */
  readonly gapMsMax?: number;
  /** For a read of one token: true if the model wrote only a blank or a mark, which its answer would have followed. */
  readonly startsBlank?: boolean;
  readonly totalMs: number;
  /** Number of requests that the call made one after the other; absent if it was one. */
  readonly requests?: number;
  /** Present if a call was cut while tokens were still arriving: its server is slow, but well. */
  readonly isWriting?: true;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Which of `promptTokens` and `completionTokens` are estimated, because the server did not report them. */
  readonly estimated?: 'prompt' | 'completion' | 'both';
  /** Characters of a prompt that the server has read or begun to read; absent if it contains more than text. */
  readonly promptChars?: number;
  /** Number of pieces of the answer, if the server did not report its tokens. */
  readonly chunks?: number;
  /** Prompt tokens that the server did not have to read again. */
  readonly cachedTokens?: number;
  /** The model that the server names in its answer. */
  readonly modelAnswered?: string;
  /** Whether the answer was JSON of the schema asked for. Absent without a schema, or if unknown. */
  readonly keptSchema?: boolean;
}

export type ExpertResult =
  | {
      readonly ok: true;
      readonly vote: Vote;
      readonly report: CallReport;
      /** The model that gave it, if another one than intended. */
      readonly model?: string;
      /** For a read: the readings from which the vote was taken. */
      readonly readings?: readonly Reading[];
    }
  | { readonly ok: false; readonly error: ErrorWire; readonly report: CallReport };
