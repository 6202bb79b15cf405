import type { Clock } from '../../../shared/clock.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import { READ_FORMS, type ReadCall, type ReadForm, type ThinkingSwitch } from '../../../shared/reads/reading.ts';
import type { CallReport, ExpertResult } from '../../../shared/tasks.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { ServerKind } from '../discovery/endpoint-facts.ts';
import type { Seat } from '../seat.ts';
import { formKey } from './answer-form.ts';

/*
 * The form in which each model of each endpoint can be read: the first of Decisions API, System One and log probabilities that its
 * server answers.
 *
 *   unknown --a probe, or the first call--> form --not there, refused, or no distribution--> the next form --> … --> none
 *                                            ^                                                                     |
 *                                            +------------------------- after a while, from the first on ----------+
 *
 * If a form stops working and another works meanwhile, the first is also tried again after that while.
 * A form that fails occasionally stays: it ends only if too many of the latest answers are useless.
 */

/** Number of latest answers in a form that are considered. */
const ANSWERS_WATCHED = 8;
/** Number of useless answers among `ANSWERS_WATCHED` that ends the use of the form. */
const MISSES_MAX = 3;
const RETRY_MS = 600_000;

interface FormState {
  /** Index of the form that is used; one past the last if there is none. */
  index: number;
  /** Whether an answer has shown that it works. */
  isShown: boolean;
  /** Number of tokens that a chat is asked for. */
  tokensMax: number;
  misses: boolean[];
  /** When all forms are tried again from the first. */
  retryAtMs: number;
}

/** What an answer shows about its form. */
type Evidence = 'kept' | 'missed' | 'failed' | 'refused' | 'unknown' | 'none';

const EVIDENCE: Readonly<Record<string, Evidence>> = {
  // The server does not have the form.
  ERR_METHOD_UNKNOWN: 'unknown',
  // The model cannot be read in it; or, if that worked before, something else is wrong with this request.
  ERR_MODEL_REJECTED: 'refused',
  // It answered without a distribution.
  ERR_MODEL_MALFORMED: 'missed',
  ERR_MODEL_EMPTY: 'missed',
  ERR_MODEL_TOO_LARGE: 'missed',
  // For a form that has never worked: some servers fail, or stay silent, on a route that they do not have.
  ERR_MODEL_STATUS: 'failed',
  ERR_MODEL_RESET: 'failed',
  ERR_MODEL_TIMEOUT_HEADERS: 'failed',
  ERR_MODEL_TIMEOUT_FIRST_TOKEN: 'failed',
};

type FormResult = { readonly report: CallReport } & (
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string }
);

const UNKNOWN = { index: 0, isShown: false, tokensMax: 1, retryAtMs: Number.POSITIVE_INFINITY };

function evidenceOf(result: FormResult): Evidence {
  return result.ok ? 'kept' : (EVIDENCE[result.code] ?? 'none');
}

export class ReadForms {
  readonly #clock: Clock;
  readonly #states = new Map<string, FormState>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The form for a call that is made now; report its end to `observe`. Undefined if the model cannot be read. */
  formFor(endpoint: string, model: string): ReadForm | undefined {
    const state = this.#stateOf(endpoint, model);
    // Another server may be there by now.
    if (this.#clock.now() >= state.retryAtMs) {
      Object.assign(state, { ...UNKNOWN, misses: [] });
    }
    return READ_FORMS[state.index];
  }

  /** The form that has been shown to work; undefined if none has. */
  shownFor(endpoint: string, model: string): ReadForm | undefined {
    const state = this.#states.get(formKey(endpoint, model));
    return state?.isShown ? READ_FORMS[state.index] : undefined;
  }

  /** How the model is asked for log probabilities. */
  mannerFor({ endpoint, model, kind }: Seat & { readonly kind: ServerKind }): ReadManner {
    return { ...readManner(kind), tokensMax: this.#stateOf(endpoint, model).tokensMax };
  }

  /**
   * Records how a call in a form ended, with the `code` if it failed. Returns whether another call may be made immediately: in the next form, or
   * with room for the label that follows a blank.
   */
  observe(endpoint: string, model: string, form: ReadForm, result: ExpertResult, code?: ErrorCode): boolean {
    const { report } = result;
    return this.#observed(
      endpoint,
      model,
      form,
      result.ok ? result : { ok: false, code: code ?? result.error.code, report },
    );
  }

  /**
   * Asks the model a small question after `system`, in one form after the other, until one is answered. Stops if a call fails for
   * another reason: then the next call shows which works. Never rejects.
   */
  async probe(
    at: Seat & { readonly kind: ServerKind },
    caller: ChatCaller,
    system: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { endpoint, model } = at;
    for (let form = this.formFor(endpoint, model); form !== undefined; form = this.formFor(endpoint, model)) {
      const outcome = await caller.read?.({ ...PROBE, form, model, timeoutMs, ...this.mannerFor(at), system }, signal);
      if (outcome === undefined || signal?.aborted) return;
      const { report } = outcome;
      const result = outcome.ok ? outcome : ({ ok: false, code: outcome.failure.code, report } as const);
      if (!this.#observed(endpoint, model, form, result)) return;
    }
  }

  #observed(endpoint: string, model: string, form: ReadForm, result: FormResult): boolean {
    const state = this.#stateOf(endpoint, model);
    // Results of a form that is no longer used are ignored.
    if (READ_FORMS[state.index] !== form) return false;
    if (result.report.startsBlank === true) {
      state.tokensMax = 2;
      return true;
    }
    const evidence = evidenceOf(result);
    if (evidence === 'none' || (evidence === 'failed' && state.isShown)) return false;
    if (evidence === 'kept') state.isShown = true;
    state.misses = [...state.misses, evidence !== 'kept'].slice(-ANSWERS_WATCHED);
    const isLost = state.misses.filter((missed) => missed).length >= MISSES_MAX;
    // A form that has never worked need not be refused three times.
    const isUseless = evidence === 'unknown' || (!state.isShown && (evidence === 'refused' || evidence === 'missed'));
    if (!isLost && !isUseless) return false;
    const isLast = state.index === READ_FORMS.length - 1;
    if (isLast || state.isShown) state.retryAtMs = this.#clock.now() + RETRY_MS;
    Object.assign(state, { index: state.index + 1, isShown: false, misses: [] });
    return true;
  }

  #stateOf(endpoint: string, model: string): FormState {
    const key = formKey(endpoint, model);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: FormState = { ...UNKNOWN, misses: [] };
    this.#states.set(key, state);
    return state;
  }
}

type ReadManner = Pick<ReadCall, 'alternativesMax' | 'tokensMax' | 'thinkingSwitch'>;

/** How a server of a kind is asked for log probabilities. OpenAI and Ollama return at most 20 alternatives. */
export function readManner(kind: ServerKind): ReadManner {
  return { alternativesMax: kind === 'llamacpp' ? LLAMACPP_ALTERNATIVES : 20, thinkingSwitch: SWITCHES[kind] };
}

/** llama.cpp returns up to its whole vocabulary; if the model means to choose at all, the labels are among this many. */
const LLAMACPP_ALTERNATIVES = 100;
/** Ollama ignores the variables of templates, and lets models that can think do so unless it is told otherwise. */
const SWITCHES: Readonly<Partial<Record<ServerKind, ThinkingSwitch>>> = {
  llamacpp: 'template',
  vllm: 'template',
  unknown: 'template',
  ollama: 'effort',
};

const PROBE = {
  state: 'ACTIONS\n1. wait\n2. go\n\nANSWER\nOnly the number of one action from the list.',
  roles: ['probe'],
  actions: ['wait', 'go'],
};
