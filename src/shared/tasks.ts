import type { Domain } from './domain.ts';
import type { ErrorWire } from './errors.ts';
import type { PhaseLimits } from './model-client/call-watch.ts';
import type { ReadCall, Reading } from './reads/reading.ts';
import type { AnswerForm, Situation } from './situation.ts';
import type { Vote } from './vote/vote-parser.ts';

/**
 * The wire between the coordinator and its workers: data only, no signals (they arrive as `{}`), durations instead of
 * instants. What does not change between tasks goes once, as `WorkerSetup`, when the thread starts.
 */
export interface EndpointAddress {
  readonly name: string;
  readonly baseURL: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Names one cancel word of the `CancelBoard` for one task. */
export interface CancelTicket {
  readonly slot: number;
  readonly generation: number;
}

/** What a worker thread is given once, when it starts. */
export interface WorkerSetup {
  readonly domain: Domain;
  readonly endpoints: readonly EndpointAddress[];
  readonly cancelBuffer: SharedArrayBuffer;
  /** Connections a thread may open to one endpoint. */
  readonly connectionsMax: number;
}

/** What one call may take, and how it is asked for. */
export interface CallTerms {
  readonly timeoutMs: number;
  /** Limits of its phases, durations as well. */
  readonly phases?: PhaseLimits;
  readonly answer: AnswerForm;
  readonly stream: boolean;
  /** Whether the server can tell its tokens with every event (llama.cpp), so that they are known of a stream that is cut. */
  readonly tellsTokens?: boolean;
}

/** What a model is asked for a vote with, whoever asks. */
export interface VoteTerms extends CallTerms {
  readonly model: string;
  readonly maxTokens: number;
  readonly temperature: number;
  /** Whether a JSON answer begins with a thought. Says nothing of text. */
  readonly thinks: boolean;
}

export interface ExpertTask extends VoteTerms {
  readonly kind: 'expert';
  /** The experts of one plan share it, and with it the rendered situation. */
  readonly planId: number;
  readonly role: string;
  readonly endpoint: string;
  readonly situation: Situation;
  /** Whether its prompt begins with what all roles are. */
  readonly sharesRoles?: boolean;
  /** Whether others wait until the model has read its prompt: then the thread says so in shared memory. */
  readonly primes?: boolean;
  /** Whether its choice counts as soon as it stands: then the thread says so in shared memory. */
  readonly tellsChoice?: boolean;
  readonly cancel: CancelTicket;
  /** Present where the probabilities of the actions are asked for, instead of words. */
  readonly read?: ReadTerms;
}

/** How a decision is read. */
export interface ReadTerms extends Pick<ReadCall, 'form' | 'alternativesMax' | 'hasThinkingSwitch'> {
  /** The roles that are asked in one request. */
  readonly roles: readonly string[];
}

/** Settles when the thread has loaded everything that the first expert task needs. */
export interface ReadyTask {
  readonly kind: 'ready';
}

export type Task = ExpertTask | ReadyTask;

/** What a model call cost and what it told about itself. Milliseconds from the start of the call. */
export interface CallReport {
  /** Until the response headers: connecting, and waiting for a slot. Not of a call without a stream. */
  readonly queueMs?: number;
  readonly firstTokenMs?: number;
  /** Until the choice of its answer was certain. Absent where none was before its end. */
  readonly choiceMs?: number;
  /** The longest pause between two tokens. */
  readonly gapMsMax?: number;
  readonly totalMs: number;
  /** Of a call that was cut: whether tokens came to its end. Its server is slow, and well. */
  readonly isWriting?: true;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** What of `promptTokens` and `completionTokens` the server did not tell, and is estimated. */
  readonly estimated?: 'prompt' | 'completion' | 'both';
  /** Characters of a prompt that the server began to read, or has read; absent where there is more than text in it. */
  readonly promptChars?: number;
  /** Pieces of the answer that came, where the server did not tell how many tokens they are. */
  readonly chunks?: number;
  /** Prompt tokens that the server did not have to read again. */
  readonly cachedTokens?: number;
  /** The model that says it answered. */
  readonly modelAnswered?: string;
  /** Whether the answer was JSON of the schema asked for. Absent where none was, or where it cannot be told. */
  readonly keptSchema?: boolean;
}

export type ExpertResult =
  | {
      readonly ok: true;
      readonly vote: Vote;
      readonly report: CallReport;
      /** The model that gave it, where that is another one than was meant to be asked. */
      readonly model?: string;
      /** Of a read: what the vote is the best of. */
      readonly readings?: readonly Reading[];
    }
  | { readonly ok: false; readonly error: ErrorWire; readonly report: CallReport };
