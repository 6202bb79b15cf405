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
 * Asks each model once whether its server keeps it to a schema, on slots that nobody waits for: one model of an endpoint
 * after the other, so that a server that holds one model at a time loads each of them once. Never rejects.
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
      const { gate } = endpoints.get(name) as ModelEndpoint;
      for (const model of new Set(at.map((place) => place.model))) {
        const slot = await gate.acquire(signal, { lane: 'background' });
        if (slot === undefined) return;
        try {
          forms.begin(name, model, await probeSchema(callers.get(name) as ChatCaller, model, timeoutMs, signal));
        } finally {
          slot.release();
        }
      }
    }),
  );
}
