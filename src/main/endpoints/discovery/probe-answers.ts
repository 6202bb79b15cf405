import type { ChatCaller } from '../../../shared/vote-answer.ts';
import { type AnswerForms, probeSchema } from '../answer-form.ts';
import type { ModelEndpoint } from '../model-endpoint.ts';
import type { Ask } from '../slots/endpoint-gate.ts';

/** Who had no time to answer has so many times as much when it is asked again. */
const PATIENCE = 10;

export interface ModelPlace {
  readonly endpoint: string;
  readonly model: string;
}

export interface ProbeParts {
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly forms: AnswerForms;
  /** What all prompts of the planner begin with: probes begin with it too, so that the servers have read it before the first plan. */
  readonly sharedPrompt?: string | undefined;
}

/**
 * Asks each model once whether its server keeps it to a schema: one model of an endpoint after the other, so that a server
 * that holds one model at a time loads each of them once. Before anyone else, since every plan until then is answered in a
 * form that fails more often; it takes a few short calls. Models that had no time to answer are asked again after that, behind
 * everyone else and with ten times the time. Never rejects.
 */
export async function probeAnswers(
  places: readonly ModelPlace[],
  { endpoints, callers, forms, sharedPrompt }: ProbeParts,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const byEndpoint = Map.groupBy(places, ({ endpoint }) => endpoint);
  await Promise.all(
    [...byEndpoint].map(async ([name, at]) => {
      const endpoint = endpoints.get(name) as ModelEndpoint;
      const caller = counting(callers.get(name) as ChatCaller, endpoint);
      const probe = async (model: string, ask: Ask, limitMs: number): Promise<boolean | undefined> => {
        const slot = await endpoint.gate.acquire(signal, ask);
        try {
          return slot === undefined ? undefined : await probeSchema(caller, model, limitMs, signal, sharedPrompt);
        } finally {
          slot?.release();
        }
      };
      const unknown: string[] = [];
      for (const model of new Set(at.map((place) => place.model))) {
        const isHonoured = await probe(model, { rankMs: 0 }, timeoutMs);
        if (signal.aborted) return;
        forms.begin(name, model, isHonoured);
        if (isHonoured === undefined) unknown.push(model);
      }
      for (const model of unknown) {
        const isHonoured = await probe(model, { lane: 'background' }, timeoutMs * PATIENCE);
        if (isHonoured !== undefined && !signal.aborted) forms.learned(name, model, isHonoured);
      }
    }),
  );
}

/** What a probe is told of its tokens teaches how many characters of a prompt the model has to a token. */
function counting(caller: ChatCaller, endpoint: ModelEndpoint): ChatCaller {
  return {
    chat: async (call, signal) => {
      const outcome = await caller.chat(call, signal);
      return { ...outcome, report: endpoint.counted(call.model, outcome.report) };
    },
  };
}
