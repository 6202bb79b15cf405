import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { InParts } from '../../../shared/in-parts.ts';
import { membersInParts } from '../../../shared/json-writing.ts';
import { BOUNDS_RULES, extentInParts, isRecord, readJson } from '../../../shared/untrusted-json.ts';
import { wellFormedJson } from '../../../shared/well-formed.ts';
import type { ChatCallOptions } from '../chat-call-options.ts';
import { invalid, isLarge } from '../chat-request.ts';
import type { PassReply } from '../passed/pass-reply.ts';

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

type Members = Readonly<Record<string, unknown>>;
/** Options that clients elsewhere send as further members of a request. */
export type SentOptions = Omit<ChatCallOptions, 'signal'>;
export const SENT_OPTIONS = ['timeoutMs', 'fallback', 'cache'] as const satisfies readonly (keyof SentOptions)[];

/** Separates a request from the options sent with it. Throws ERR_REQUEST_INVALID. */
export function splitDecision(params: unknown): { readonly request: Members; readonly options: SentOptions } {
  const { timeoutMs, fallback, cache, ...request } = decisionMembers(params);
  return { request, options: { timeoutMs, fallback, cache } as SentOptions };
}

/** The members of a request. Throws ERR_REQUEST_INVALID if it is no object. */
export function decisionMembers(request: unknown): Members {
  if (isRecord(request)) return request;
  throw invalid(`request must be an object, got ${describeValue(request)}`);
}

const NONE: ReadonlySet<string> = new Set();

/** Writes a request as JSON. Throws ERR_REQUEST_INVALID. */
export function* decisionBytesInParts(request: unknown): InParts<Buffer> {
  const members = decisionMembers(request);
  const extent = yield* extentInParts(members);
  if (typeof extent === 'string') throw invalid(`the request ${BOUNDS_RULES[extent]}`);
  if (!isLarge(extent)) return Buffer.from(wellFormedJson(members));
  const pieces = yield* membersInParts(members, NONE);
  return Buffer.concat([Buffer.from('{'), ...pieces, Buffer.from('}')]);
}

/** The value of an answer. Rejects with what failed, or ERR_MODEL_MALFORMED. */
export async function decisionAnswer(reply: PassReply): Promise<unknown> {
  if (reply.kind === 'failed') throw reply.error;
  const read = readJson((await bytesOf(reply)).toString('utf8'));
  if ('value' in read) return read.value;
  throw new PlannerError('ERR_MODEL_MALFORMED', `the server's answer ${read.rule}`);
}

async function bytesOf(reply: Exclude<PassReply, { kind: 'failed' }>): Promise<Buffer> {
  if (reply.kind === 'whole') return reply.bytes;
  const pieces: Buffer[] = [];
  for await (const piece of reply.frames) pieces.push(piece);
  return Buffer.concat(pieces);
}
