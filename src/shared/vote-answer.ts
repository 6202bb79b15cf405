import { answerSchema, keepsSchema } from './constrained-answer.ts';
import { defined } from './defined.ts';
import { encodeError, PlannerError } from './errors.ts';
import type { CallPhase } from './model-client/failures.ts';
import type { ChatAnswer, ChatCall, ChatMessage, ChatOutcome } from './model-client/model-client.ts';
import type { ReadCall, ReadOutcome } from './reads/reading.ts';
import type { ExpertResult, VoteTerms } from './tasks.ts';
import { watchAnswer } from './vote/standing-choice.ts';
import { stripThinking } from './vote/thoughts.ts';
import { hasJsonChoice, isVoteComplete, requireVote, type Vote } from './vote/vote-parser.ts';

/**
 * The vote in a model's answer. Thinking models may put the whole answer into `reasoning_content`: then only the JSON
 * asked for or its last lines are read, where the choice stands, and only when there is no content at all. Throws a coded
 * error.
 */
export function readVote(answer: ChatAnswer, actions: readonly string[]): Vote {
  if (stripThinking(answer.content).trim() !== '') return requireVote(answer.content, actions);
  if (hasJsonChoice(answer.reasoning)) return requireVote(answer.reasoning, actions);
  const conclusion = lastLines(answer.reasoning);
  if (answer.finishReason === 'length' || conclusion === '') {
    const why = answer.finishReason === 'length' ? ' (its tokens ran out while it was thinking)' : '';
    throw new PlannerError('ERR_MODEL_EMPTY', `the model answered nothing${why}`);
  }
  return requireVote(conclusion, actions);
}

/** From the last opening brace or, where there is none, the last three lines. */
function lastLines(reasoning: string): string {
  const text = reasoning.trim();
  const brace = text.lastIndexOf('{');
  if (brace >= 0 && text.endsWith('}')) return text.slice(brace);
  return text.split('\n').slice(-3).join('\n');
}

/** One streamed chat call; `ModelClient`, or a simulated one. */
export interface ChatCaller {
  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome>;
  /** Asks once for the probabilities of actions. Absent where nothing can be read. Never rejects. */
  readonly read?: ((call: ReadCall, signal?: AbortSignal) => Promise<ReadOutcome>) | undefined;
}

/** Called when the choice of an answer that is still being written has changed: undefined where none stands any more. */
export type OnChoice = (action: string | undefined) => void;

/** Returns the phase that a call is in; undefined where nobody knows any more. */
export type PhaseReader = () => CallPhase | undefined;

/** Makes the calls of `caller`, and gives what reads the phase of each to `onSent`. */
export function phaseTelling(caller: ChatCaller, onSent: (phaseOf: PhaseReader) => void): ChatCaller {
  return {
    chat: (call, signal) => {
      let phase: CallPhase = 'connect';
      onSent(() => phase);
      const onPhase = (entered: CallPhase): void => {
        phase = entered;
      };
      return caller.chat({ ...call, onPhase }, signal);
    },
  };
}

/** The call that asks for a vote for one of `actions`. */
export function voteCall(
  terms: VoteTerms,
  messages: readonly ChatMessage[],
  actions: readonly string[],
  onChoice?: OnChoice,
): ChatCall {
  const { model, maxTokens, temperature, timeoutMs, stream, answer, thinks, phases, tellsTokens } = terms;
  return {
    model,
    messages,
    maxTokens,
    temperature,
    timeoutMs,
    stream,
    isComplete: isVoteComplete,
    ...(onChoice === undefined ? {} : { onContent: watchAnswer(actions, onChoice) }),
    ...(answer === 'json' ? { schema: answerSchema(actions, { thinks }) } : {}),
    ...defined({ phases, tellsTokens }),
  };
}

/** Makes a call and reads its vote: of an expert, or of a synthesizer. Failures it understands are values; bugs throw. */
export async function askForVote(
  caller: ChatCaller,
  call: ChatCall,
  actions: readonly string[],
  signal: AbortSignal,
): Promise<ExpertResult> {
  const outcome = await caller.chat(call, signal);
  if (!outcome.ok) return { ok: false, error: encodeError(outcome.failure), report: outcome.report };
  const keptSchema = call.schema === undefined ? undefined : keepsSchema(outcome.answer, actions);
  const report = { ...outcome.report, ...defined({ keptSchema }) };
  try {
    return { ok: true, vote: readVote(outcome.answer, actions), report };
  } catch (error) {
    if (error instanceof PlannerError) return { ok: false, error: encodeError(error), report };
    throw error;
  }
}
