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
 * Returns the vote in a model's answer. Thinking models may put the whole answer into `reasoning_content`: only if there is no
 * content at all, the JSON asked for or the last lines of that text are read, which contain the choice. Throws a coded error.
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

/** Returns the text from the last opening brace or, if there is none, the last three lines. */
function lastLines(reasoning: string): string {
  const text = reasoning.trim();
  const brace = text.lastIndexOf('{');
  if (brace >= 0 && text.endsWith('}')) return text.slice(brace);
  return text.split('\n').slice(-3).join('\n');
}

/** Makes streamed chat calls: `ModelClient`, or a simulated one. */
export interface ChatCaller {
  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome>;
  /** Asks once for the probabilities of actions. Absent if nothing can be read. Never rejects. */
  readonly read?: ((call: ReadCall, signal?: AbortSignal) => Promise<ReadOutcome>) | undefined;
}

/** Called when the choice in an unfinished answer has changed; undefined if it was withdrawn. */
export type OnChoice = (action: string | undefined) => void;

/** Returns the phase of a call; undefined if it is no longer known. */
export type PhaseReader = () => CallPhase | undefined;

/** Wraps `caller` so that `onSent` receives a function that reads the phase of each call. */
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

/** Returns the call that asks for a vote for one of `actions`. */
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

/** Makes a call and reads the vote of an expert or synthesizer. Returns failures that it understands as values; bugs throw. */
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
