import type { Clock } from '../../../shared/clock.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import { READ_FORMS, type ReadForm } from '../../../shared/reads/reading.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { ServerKind } from '../discovery/endpoint-facts.ts';
import type { Seat } from '../seat.ts';

/*
 * The form in which each model of each endpoint can be read: the first of Decisions API, System One and log probabilities that its
 * server answers.
 *
 *   unknown --a probe, or the first call--> form --not there, refused, or no distribution--> the next form --> … --> none
 *                                            ^                                                                     |
 *                                            +------------------------- after a while, from the first on ----------+
 *
 * Also where one that had worked is lost and another one works meanwhile, the first is tried again after that while.
 * A form that fails now and then stays: only of the latest answers too many have to be of no use.
 */

/** Of so many of the latest answers in a form … */
const ANSWERS_WATCHED = 8;
/** … so many of no use end it. */
const MISSES_MAX = 3;
const RETRY_MS = 600_000;

interface FormState {
  /** Index of the form that is asked for; that of none is one past the last. */
  index: number;
  /** Whether an answer has shown that it works. */
  isShown: boolean;
  misses: boolean[];
  /** When the forms are tried again from the first on. */
  retryAtMs: number;
}

/** What an answer says of its form. */
type Evidence = 'kept' | 'missed' | 'failed' | 'refused' | 'unknown' | 'none';

const EVIDENCE: Readonly<Record<string, Evidence>> = {
  // The server does not have the form.
  ERR_METHOD_UNKNOWN: 'unknown',
  // The model cannot be asked in it; or, where it could until now, something else is wrong with this one request.
  ERR_MODEL_REJECTED: 'refused',
  // It answered, and what it said is no distribution.
  ERR_MODEL_MALFORMED: 'missed',
  ERR_MODEL_EMPTY: 'missed',
  ERR_MODEL_TOO_LARGE: 'missed',
  // Of a form that has never worked: some servers fail, or are silent, on a route that they do not have.
  ERR_MODEL_STATUS: 'failed',
  ERR_MODEL_RESET: 'failed',
  ERR_MODEL_TIMEOUT_HEADERS: 'failed',
  ERR_MODEL_TIMEOUT_FIRST_TOKEN: 'failed',
};

function evidenceOf(result: { readonly ok: true } | { readonly ok: false; readonly code: string }): Evidence {
  return result.ok ? 'kept' : (EVIDENCE[result.code] ?? 'none');
}

export class ReadForms {
  readonly #clock: Clock;
  readonly #states = new Map<string, FormState>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The form of one call that is now made; its end is to be observed. Undefined where the model cannot be read. */
  formFor(endpoint: string, model: string): ReadForm | undefined {
    const state = this.#stateOf(endpoint, model);
    // The server may be another one by now.
    if (this.#clock.now() >= state.retryAtMs) {
      Object.assign(state, { index: 0, isShown: false, misses: [], retryAtMs: Number.POSITIVE_INFINITY });
    }
    return READ_FORMS[state.index];
  }

  /** The form that has been shown to work; undefined where none has. */
  shownFor(endpoint: string, model: string): ReadForm | undefined {
    const state = this.#states.get(keyOf(endpoint, model));
    return state?.isShown ? READ_FORMS[state.index] : undefined;
  }

  /** How a call in a form ended, where it failed as `code`. Returns whether the next form may be tried at once. */
  observe(endpoint: string, model: string, form: ReadForm, result: ExpertResult, code?: ErrorCode): boolean {
    return this.#observed(endpoint, model, form, result.ok ? result : { ok: false, code: code ?? result.error.code });
  }

  /**
   * Asks the model a small question behind `system`, in one form after the other, until one is answered. Ends where a call fails for another reason:
   * then the next call tells. Never rejects.
   */
  async probe(
    at: Seat & { readonly kind: ServerKind },
    caller: ChatCaller,
    system: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { endpoint, model, kind } = at;
    for (let form = this.formFor(endpoint, model); form !== undefined; form = this.formFor(endpoint, model)) {
      const outcome = await caller.read?.({ ...PROBE, form, model, timeoutMs, ...readManner(kind), system }, signal);
      if (outcome === undefined || signal?.aborted) return;
      const result = outcome.ok ? outcome : ({ ok: false, code: outcome.failure.code } as const);
      if (!this.#observed(endpoint, model, form, result)) return;
    }
  }

  #observed(
    endpoint: string,
    model: string,
    form: ReadForm,
    result: { readonly ok: true } | { readonly ok: false; readonly code: string },
  ): boolean {
    const state = this.#stateOf(endpoint, model);
    // Of a form that is not asked for any more, nothing is learnt.
    if (READ_FORMS[state.index] !== form) return false;
    const evidence = evidenceOf(result);
    if (evidence === 'none' || (evidence === 'failed' && state.isShown)) return false;
    if (evidence === 'kept') state.isShown = true;
    state.misses = [...state.misses, evidence !== 'kept'].slice(-ANSWERS_WATCHED);
    const isLost = state.misses.filter((missed) => missed).length >= MISSES_MAX;
    // What has never worked need not be refused three times.
    const isUseless = evidence === 'unknown' || (!state.isShown && (evidence === 'refused' || evidence === 'missed'));
    if (!isLost && !isUseless) return false;
    const isLast = state.index === READ_FORMS.length - 1;
    if (isLast || state.isShown) state.retryAtMs = this.#clock.now() + RETRY_MS;
    Object.assign(state, { index: state.index + 1, isShown: false, misses: [] });
    return true;
  }

  #stateOf(endpoint: string, model: string): FormState {
    const key = keyOf(endpoint, model);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: FormState = { index: 0, isShown: false, misses: [], retryAtMs: Number.POSITIVE_INFINITY };
    this.#states.set(key, state);
    return state;
  }
}

/** How a server of a kind is asked for log probabilities. OpenAI and Ollama tell 20 alternatives at most. */
export function readManner(kind: ServerKind): {
  readonly alternativesMax: number;
  readonly hasThinkingSwitch: boolean;
} {
  return { alternativesMax: kind === 'llamacpp' ? LLAMACPP_ALTERNATIVES : 20, hasThinkingSwitch: SWITCHES.has(kind) };
}

/** llama.cpp tells as many as its vocabulary has; labels are among these where the model means to choose at all. */
const LLAMACPP_ALTERNATIVES = 100;
const SWITCHES: ReadonlySet<ServerKind> = new Set(['llamacpp', 'vllm', 'unknown']);

const PROBE = {
  state: 'ACTIONS\n1. wait\n2. go\n\nANSWER\nOnly the number of one action from the list.',
  roles: ['probe'],
  actions: ['wait', 'go'],
};

function keyOf(endpoint: string, model: string): string {
  return `${endpoint}\n${model}`;
}
