import type { ChatCallOptions } from '../chat-call-options.ts';

/** A request of OpenAI's Decisions API. Its further members are those of that protocol. */
export interface DecisionsRequest {
  readonly model: string;
  /** The state: a text, or a list of messages. */
  readonly input: unknown;
  /** Questions of the types `choice`, `predicate` and `score`. */
  readonly questions: readonly object[];
}

/** A request of System One. Its further members are those of that protocol. */
export interface SystemOneRequest {
  readonly model: string;
  readonly state: unknown;
  /** Questions of the types `choice`, `noul` and `score`, by their ids. */
  readonly questions: Readonly<Record<string, object>>;
}

export type DecisionsAnswer =
  | {
      readonly type: 'choice';
      readonly name: string | null;
      readonly choice: string | boolean;
      readonly probabilities: readonly { readonly value: string | boolean; readonly probability: number }[];
      readonly confidence: number;
    }
  | { readonly type: 'predicate'; readonly name: string | null; readonly probability: number }
  | {
      readonly type: 'score';
      readonly name: string | null;
      readonly score: number;
      readonly probabilities: readonly {
        readonly label: string;
        readonly value: number;
        readonly probability: number;
      }[];
      readonly confidence: number;
    }
  | { readonly type: 'refusal'; readonly name: string | null };

export type SystemOneAnswer =
  | {
      readonly type: 'choice';
      readonly choice: string;
      readonly probabilities: Readonly<Record<string, number>>;
      readonly confidence: number;
    }
  | { readonly type: 'noul'; readonly noul: number }
  | { readonly type: 'score'; readonly score: number; readonly probabilities: Readonly<Record<string, number>> };

/** Answers in the order of the questions. A server that has the call may add members. */
export interface DecisionsAnswers {
  readonly model: string;
  readonly answers: readonly DecisionsAnswer[];
}

/** Answers by the ids of the questions. A server that has the call may add members. */
export interface SystemOneAnswers {
  readonly model: string;
  readonly answers: Readonly<Record<string, SystemOneAnswer>>;
}

/** Answers questions about a state with a probability for each option, in the protocol in which they are asked. */
export interface DecisionCaller {
  /** Rejects with a PlannerError. */
  decide(request: DecisionsRequest, options?: ChatCallOptions): Promise<DecisionsAnswers>;
  decide(request: SystemOneRequest, options?: ChatCallOptions): Promise<SystemOneAnswers>;
}
