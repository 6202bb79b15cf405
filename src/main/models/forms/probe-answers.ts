import { defined } from '../../../shared/defined.ts';
import type { ReadCall } from '../../../shared/reads/reading.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { ModelEndpoint } from '../model-endpoint.ts';
import type { Seat } from '../seat.ts';
import type { Lane } from '../slots/ask.ts';
import { type AnswerForms, probeSchema } from './answer-form.ts';
import type { ReadForms } from './read-forms.ts';

/** Models that had no time to answer get this many times as long on the second try. */
const PATIENCE = 10;

export interface ProbeParts {
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly forms: AnswerForms;
  /** The start of all prompts of a seat: probes start with it too, so that servers have read it before the first plan. */
  readonly sharedPrompt?: ((seat: Seat) => string) | undefined;
  /** Undefined if no model is read. `system` is the start of all reads. */
  readonly reads?: { readonly forms: ReadForms; readonly system: string } | undefined;
}

/**
 * Asks each model once whether its server enforces a schema: one model of an endpoint after the other, so that a server that
 * holds one model at a time loads each only once. Goes ahead of all other calls, because until then every plan is answered in a
 * form that fails more often; it takes a few short calls. Models that had no time to answer are asked again afterwards, behind
 * all other calls and with ten times the time. Never rejects.
 */
export async function probeAnswers(
  places: readonly Seat[],
  { endpoints, callers, forms, sharedPrompt, reads }: ProbeParts,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const byEndpoint = Map.groupBy(places, ({ endpoint }) => endpoint);
  await Promise.all(
    [...byEndpoint].map(async ([name, at]) => {
      const endpoint = endpoints.get(name) as ModelEndpoint;
      const caller = counting(callers.get(name) as ChatCaller, endpoint);
      const unknown: string[] = [];
      const probe = (model: string, lane: Lane, limitMs: number): Promise<boolean | undefined> =>
        probeOf(
          endpoint,
          model,
          lane,
          (ms) => probeSchema(caller, model, ms, signal, sharedPrompt?.({ endpoint: name, model })),
          limitMs,
          signal,
        );
      for (const model of loadedFirst(endpoint, new Set(at.map((place) => place.model)))) {
        // Until the probe, which may be much later, the next call may try.
        if (endpoint.memory.needsLoad(model)) forms.begin(name, model, undefined);
        const isHonoured = await probe(model, 'foreground', timeoutMs);
        if (signal.aborted) return;
        forms.begin(name, model, isHonoured);
        if (isHonoured === undefined) unknown.push(model);
        else if (reads !== undefined && endpoint.facts.kind !== 'unknown') {
          const seat = { endpoint: name, model, kind: endpoint.facts.kind };
          await reads.forms.probe(seat, caller, reads.system, timeoutMs, signal);
        }
      }
      for (const model of unknown) {
        const isHonoured = await probe(model, 'background', timeoutMs * PATIENCE);
        if (isHonoured !== undefined && !signal.aborted) forms.learned(name, model, isHonoured);
      }
    }),
  );
}

type Probe = (timeoutMs: number) => Promise<boolean | undefined>;

/**
 * A model that would have to be loaded is probed while no call waits or runs, and not at all once it is known to evict another
 * one: then its first answers give the evidence.
 */
async function probeOf(
  endpoint: ModelEndpoint,
  model: string,
  usualLane: Lane,
  probe: Probe,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const { gate, memory } = endpoint;
  const lane = memory.needsLoad(model) ? 'background' : usualLane;
  const slot = await gate.acquire(signal, { lane, rankMs: 0, modelNow: () => model });
  try {
    if (slot === undefined || (memory.isProven && memory.needsLoad(model))) return undefined;
    const isHonoured = await probe(timeoutMs + memory.loadMs(model));
    // Before any other call changes it.
    await endpoint.lookAtMemory();
    return isHonoured;
  } finally {
    slot?.release();
  }
}

function loadedFirst({ facts }: ModelEndpoint, models: ReadonlySet<string>): string[] {
  const loaded = new Set(facts.models.filter((model) => model.loaded).map(({ id }) => id));
  return [...models].sort((a, b) => Number(loaded.has(b)) - Number(loaded.has(a)));
}

type Reader = NonNullable<ChatCaller['read']>;

/** Uses the reported tokens of a probe to learn how many characters a token of the model has. */
function counting(caller: ChatCaller, endpoint: ModelEndpoint): ChatCaller {
  return {
    chat: async (call, signal) => {
      const visit = endpoint.memory.begins(call.model);
      const tellsTokens = endpoint.facts.kind === 'llamacpp';
      const outcome = await caller.chat({ ...call, ...(tellsTokens ? { tellsTokens } : {}) }, signal);
      endpoint.memory.ended(visit, outcome.report);
      return { ...outcome, report: endpoint.counted(call.model, outcome.report) };
    },
    ...defined({
      read: caller.read && ((call: ReadCall, signal?: AbortSignal) => (caller.read as Reader)(call, signal)),
    }),
  };
}
