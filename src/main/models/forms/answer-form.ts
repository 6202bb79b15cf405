import type { Clock } from '../../../shared/clock.ts';
import type { ChatSchema } from '../../../shared/model-client/model-client.ts';
import type { AnswerForm } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { stripThinking } from '../../../shared/vote/thoughts.ts';
import { isVoteComplete } from '../../../shared/vote/vote-parser.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';

/*
 * The form in which each model of each endpoint is asked to answer: JSON if its server enforces a schema, else text.
 *
 *   json --refused, or too many misses--> text --after a while, one call--> trial --kept--> json
 *                                           ^                                |
 *                                           +--- refused, missed, or nothing learned (then the next call may try immediately)
 *
 * A server may silently ignore a schema, some schemas, or schemas for some models, so each answer counts as
 * evidence, not only the first. Calls that fail for another reason do not count.
 */

/** Number of latest JSON answers that are considered. */
const ANSWERS_WATCHED = 8;
/** Number of mismatches among `ANSWERS_WATCHED` answers that ends the use of JSON. */
const MISSES_MAX = 3;
const RETRY_MS = 600_000;

type FormState =
  | { readonly kind: 'json'; readonly misses: readonly boolean[] }
  | { readonly kind: 'text'; readonly retryAtMs: number }
  /** One call tries JSON; the others get text until its result is known. */
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
   * Records what a probe found; undefined if it could not tell, and then the next call may try JSON. Models without a record are
   * always asked for text.
   */
  begin(endpoint: string, model: string, isHonoured: boolean | undefined): void {
    const state: FormState =
      isHonoured === undefined
        ? { kind: 'text', retryAtMs: this.#clock.now() }
        : isHonoured
          ? { kind: 'json', misses: [] }
          : this.#textForNow();
    this.#states.set(formKey(endpoint, model), state);
  }

  /** As `begin`, for a probe so slow that calls may have given evidence by now: that evidence takes precedence. */
  learned(endpoint: string, model: string, isHonoured: boolean): void {
    const state = this.#states.get(formKey(endpoint, model));
    const isOpen = state?.kind === 'trial' || (state?.kind === 'text' && state.retryAtMs <= this.#clock.now());
    if (isOpen) this.begin(endpoint, model, isHonoured);
  }

  /** The form for a call that is made now; report its end to `observe`. May take the only available trial. */
  formFor(endpoint: string, model: string): AnswerForm {
    const key = formKey(endpoint, model);
    const state = this.#states.get(key);
    switch (state?.kind) {
      case undefined:
        return 'text';
      case 'json':
        return 'json';
      case 'text':
        return this.#tryFrom(key, state.retryAtMs);
      case 'trial':
        // A trial that never ended does not keep other calls from trying.
        return this.#tryFrom(key, state.sinceMs + RETRY_MS);
      default:
        return state satisfies never;
    }
  }

  /** Whether calls get JSON, without taking a trial. */
  isJson(endpoint: string, model: string): boolean {
    return this.#states.get(formKey(endpoint, model))?.kind === 'json';
  }

  /** Records how a call of `formFor` ended. */
  observe(endpoint: string, model: string, form: AnswerForm, result: ExpertResult): void {
    const key = formKey(endpoint, model);
    const state = this.#states.get(key);
    // A late answer from before the change to text says nothing about now.
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

/** Names a model of an endpoint. */
export function formKey(endpoint: string, model: string): string {
  return `${endpoint}\n${model}`;
}

/** Includes white space and a short thought. */
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
/** Asks for what the schema forbids: a server that ignores the schema answers with a word. */
const PROBE_PROMPT =
  'ACTIONS\n1. wait\n2. go\n\nANSWER\nOne word and nothing else: the name of one action from the list.';

/**
 * Whether a server makes a model follow a schema: one short call whose answer is JSON only if it does. Undefined if the call
 * failed for another reason. All prompts of the planner start with `sharedPrompt`, so the server has read it afterwards. Never
 * rejects.
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
    // Text, or JSON without members to read.
    return false;
  }
}
