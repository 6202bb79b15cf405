import type { Clock } from '../../../shared/clock.ts';
import type { ChatSchema } from '../../../shared/model-client/model-client.ts';
import type { AnswerForm } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { stripThinking } from '../../../shared/vote/thoughts.ts';
import { isVoteComplete } from '../../../shared/vote/vote-parser.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';

/*
 * The form in which each model of each endpoint is asked to answer: JSON where its server keeps to a schema, else text.
 *
 *   json --refused, or too many misses--> text --after a while, one call--> trial --kept--> json
 *                                           ^                                |
 *                                           +--- refused, missed, or nothing learnt (then the next call may try at once)
 *
 * A server may pass over a schema in silence, for some schemas only, or for some models only, so each answer counts as
 * evidence, not the first one alone. Calls that fail for another reason are none.
 */

/** Of so many of the latest JSON answers … */
const ANSWERS_WATCHED = 8;
/** … so many that were not of the schema end it. */
const MISSES_MAX = 3;
const RETRY_MS = 600_000;

type FormState =
  | { readonly kind: 'json'; readonly misses: readonly boolean[] }
  | { readonly kind: 'text'; readonly retryAtMs: number }
  /** One call has been told to try JSON; the others get text until it is known how that went. */
  | { readonly kind: 'trial'; readonly sinceMs: number };

type Evidence = 'kept' | 'missed' | 'refused' | 'none';

function evidenceOf(result: ExpertResult): Evidence {
  if (!result.ok && result.error.code === 'ERR_MODEL_SCHEMA') return 'refused';
  const { keptSchema } = result.report;
  return keptSchema === undefined ? 'none' : keptSchema ? 'kept' : 'missed';
}

export class AnswerForms {
  readonly #clock: Clock;
  readonly #states = new Map<string, FormState>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Says what a probe found; undefined where it could not tell, and then the next call may try JSON. Models that nothing is
   * said of are asked for text, always.
   */
  begin(endpoint: string, model: string, isHonoured: boolean | undefined): void {
    const state: FormState =
      isHonoured === undefined
        ? { kind: 'text', retryAtMs: this.#clock.now() }
        : isHonoured
          ? { kind: 'json', misses: [] }
          : this.#textForNow();
    this.#states.set(keyOf(endpoint, model), state);
  }

  /** The same of a probe that took so long that calls may have told by now: what they told stands. */
  learned(endpoint: string, model: string, isHonoured: boolean): void {
    const state = this.#states.get(keyOf(endpoint, model));
    const isOpen = state?.kind === 'trial' || (state?.kind === 'text' && state.retryAtMs <= this.#clock.now());
    if (isOpen) this.begin(endpoint, model, isHonoured);
  }

  /** The form of one call that is now made; its end is to be observed. Asking may take the one trial there is. */
  formFor(endpoint: string, model: string): AnswerForm {
    const key = keyOf(endpoint, model);
    const state = this.#states.get(key);
    switch (state?.kind) {
      case undefined:
        return 'text';
      case 'json':
        return 'json';
      case 'text':
        return this.#tryFrom(key, state.retryAtMs);
      case 'trial':
        // One that was never heard of again does not keep the others from trying.
        return this.#tryFrom(key, state.sinceMs + RETRY_MS);
      default:
        return state satisfies never;
    }
  }

  /** How a call of `formFor` ended. */
  observe(endpoint: string, model: string, form: AnswerForm, result: ExpertResult): void {
    const key = keyOf(endpoint, model);
    const state = this.#states.get(key);
    // A late answer of a time when JSON was asked for has no say about now.
    if (form === 'text' || state === undefined || state.kind === 'text') return;
    const evidence = evidenceOf(result);
    this.#states.set(key, state.kind === 'json' ? this.#afterAnswer(state, evidence) : this.#afterTrial(evidence));
  }

  #tryFrom(key: string, atMs: number): AnswerForm {
    const nowMs = this.#clock.now();
    if (nowMs < atMs) return 'text';
    this.#states.set(key, { kind: 'trial', sinceMs: nowMs });
    return 'json';
  }

  #afterAnswer(state: Extract<FormState, { kind: 'json' }>, evidence: Evidence): FormState {
    if (evidence === 'none') return state;
    if (evidence === 'refused') return this.#textForNow();
    const misses = [...state.misses, evidence === 'missed'].slice(-ANSWERS_WATCHED);
    const isLost = misses.filter((missed) => missed).length >= MISSES_MAX;
    return isLost ? this.#textForNow() : { kind: 'json', misses };
  }

  #afterTrial(evidence: Evidence): FormState {
    if (evidence === 'kept') return { kind: 'json', misses: [] };
    return evidence === 'none' ? { kind: 'text', retryAtMs: this.#clock.now() } : this.#textForNow();
  }

  #textForNow(): FormState {
    return { kind: 'text', retryAtMs: this.#clock.now() + RETRY_MS };
  }
}

function keyOf(endpoint: string, model: string): string {
  return `${endpoint}\n${model}`;
}

/** White space and a short thought included. */
const PROBE_TOKENS_MAX = 64;
const PROBE_SCHEMA: ChatSchema = {
  name: 'probe',
  schema: {
    type: 'object',
    properties: { choice: { type: 'integer', minimum: 1, maximum: 2 } },
    required: ['choice'],
    additionalProperties: false,
  },
};
/** Asks for what the schema forbids: who passes over the schema answers with a word. */
const PROBE_PROMPT =
  'ACTIONS\n1. wait\n2. go\n\nANSWER\nOne word and nothing else: the name of one action from the list.';

/**
 * Whether a server keeps a model to a schema: one short call whose answer is JSON only if it does. Undefined where the call
 * failed for another reason. `sharedPrompt` is what all prompts of the planner begin with: the server has read it then. Never rejects.
 */
export async function probeSchema(
  caller: ChatCaller,
  model: string,
  timeoutMs: number,
  signal?: AbortSignal,
  sharedPrompt?: string,
): Promise<boolean | undefined> {
  const shared = sharedPrompt === undefined ? [] : [{ role: 'system' as const, content: sharedPrompt }];
  const outcome = await caller.chat(
    {
      model,
      messages: [...shared, { role: 'user', content: PROBE_PROMPT }],
      maxTokens: PROBE_TOKENS_MAX,
      temperature: 0,
      timeoutMs,
      isComplete: isVoteComplete,
      schema: PROBE_SCHEMA,
    },
    signal,
  );
  if (!outcome.ok) return outcome.failure.code === 'ERR_MODEL_SCHEMA' ? false : undefined;
  const { content, reasoning } = outcome.answer;
  const said = stripThinking(content).trim();
  return isOfProbe(said === '' ? reasoning : said);
}

function isOfProbe(text: string): boolean {
  try {
    const { choice, ...others } = JSON.parse(text) as { readonly choice?: unknown };
    return (choice === 1 || choice === 2) && Object.keys(others).length === 0;
  } catch {
    // Text, or JSON that has no members to take apart.
    return false;
  }
}
