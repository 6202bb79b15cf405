import type { ChatCaller } from '../../../shared/vote-answer.ts';
import { type AnswerForms, probeSchema } from '../answer-form.ts';
import type { ModelEndpoint } from '../model-endpoint.ts';

export interface ModelPlace {
  readonly endpoint: string;
  readonly model: string;
}

export interface ProbeParts {
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly forms: AnswerForms;
}

/**
 * Asks each model once whether its server keeps it to a schema: one model of an endpoint after the other, so that a server
 * that holds one model at a time loads each of them once. Before anyone else, since every plan until then is answered in a
 * form that fails more often; it takes a few short calls. Never rejects.
 */
export async function probeAnswers(
  places: readonly ModelPlace[],
  { endpoints, callers, forms }: ProbeParts,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const byEndpoint = Map.groupBy(places, ({ endpoint }) => endpoint);
  await Promise.all(
    [...byEndpoint].map(async ([name, at]) => {
      const endpoint = endpoints.get(name) as ModelEndpoint;
      const { gate } = endpoint;
      for (const model of new Set(at.map((place) => place.model))) {
        const slot = await gate.acquire(signal, { rankMs: 0 });
        if (slot === undefined) return;
        try {
          forms.begin(
            name,
            model,
            await probeSchema(counting(callers.get(name) as ChatCaller, endpoint), model, timeoutMs, signal),
          );
        } finally {
          slot.release();
        }
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
