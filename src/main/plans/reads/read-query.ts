import { situationFor } from '../../../shared/situation.ts';
import type { CallTerms, ExpertResult, ReadTerms } from '../../../shared/tasks.ts';
import type { AttemptSubject } from '../../models/calls/attempt-log.ts';
import { type ModelQuery, OUT_OF_TIME, type QueryListeners } from '../../models/calls/call-maker.ts';
import { readManner } from '../../models/forms/read-forms.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { ShownRequest } from '../flights/shown-request.ts';
import type { Reads } from './reads.ts';

/** Reads one model once, in its server's form; if that turns out to be a different form, in that one. */
export class ReadQuery implements ModelQuery {
  readonly #planId: number;
  readonly #parts: FlightParts;
  readonly #reads: Reads;
  readonly #shown: ShownRequest;
  readonly #experts: readonly ResolvedExpert[];
  readonly #onStart: () => number;

  constructor(
    planId: number,
    parts: FlightParts,
    reads: Reads,
    shown: ShownRequest,
    experts: readonly ResolvedExpert[],
    onStart: () => number,
  ) {
    this.#planId = planId;
    this.#parts = parts;
    this.#reads = reads;
    this.#shown = shown;
    this.#experts = experts;
    this.#onStart = onStart;
  }

  async run(
    { endpoint, model }: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    { onSent, onForm, onTrimmed }: QueryListeners,
  ): Promise<ExpertResult> {
    const rolesMax = this.#onStart();
    const { clock, options, pool, prompts } = this.#parts;
    const { forms } = this.#reads;
    const endMs = clock.now() + terms.timeoutMs;
    const [first] = this.#experts as readonly [ResolvedExpert, ...ResolvedExpert[]];
    const shown = situationFor(options.domain, this.#shown.situation, false);
    for (;;) {
      const read = this.#termsAt(endpoint, model, rolesMax);
      if (read === undefined) return cannotRead(model);
      onForm(read.form, read.roles.length === 1 ? read.roles[0] : undefined);
      const timeoutMs = Math.max(1, endMs - clock.now());
      const { maxTokens, temperature, role } = first;
      const asked = { kind: 'expert', planId: this.#planId, role, model, endpoint, maxTokens, temperature } as const;
      const begins = prompts.preambles.read({ endpoint, model }, read.form, read.roles);
      const fit = prompts.fitted({ endpoint, model }, shown, begins, read.roles, read.roles.length);
      const { preamble, situation, trimmed } = fit;
      onTrimmed(trimmed);
      const task = { ...asked, thinks: false, preamble, ...terms, timeoutMs, situation, read };
      const answered = await pool.run(task, signal, { onSent });
      prompts.ended({ endpoint, model }, fit, answered);
      const result = ofShown(answered, situation.actions, shown.actions);
      const code = signal.reason === OUT_OF_TIME ? 'ERR_MODEL_TIMEOUT_HEADERS' : undefined;
      if (!forms.observe(endpoint, model, read.form, result, code) || signal.aborted) return result;
    }
  }

  #termsAt(endpoint: string, model: string, rolesMax: number): ReadTerms | undefined {
    const form = this.#reads.forms.formFor(endpoint, model);
    if (form === undefined) return undefined;
    // One token has room for one answer; the other forms ask all roles in one reading of the situation.
    const experts = this.#experts.slice(0, form === 'logprobs' ? 1 : rolesMax);
    const manner = readManner(this.#parts.endpoints.get(endpoint)?.facts.kind ?? 'unknown');
    return { form, roles: experts.map(({ role }) => role), ...manner };
  }
}

/** Probabilities of all shown actions: those that were left out of the prompt have none. */
function ofShown(result: ExpertResult, asked: readonly string[], shown: readonly string[]): ExpertResult {
  if (!result.ok || result.readings === undefined || asked.length === shown.length) return result;
  const readings = result.readings.map(({ role, probabilities }) => ({
    role,
    probabilities: shown.map((action) => probabilities[asked.indexOf(action)] ?? 0),
  }));
  return { ...result, readings };
}

function cannotRead(model: string): ExpertResult {
  const message = `${model} can only be asked in words here`;
  return { ok: false, error: { code: 'ERR_METHOD_UNKNOWN', message, retryable: false }, report: { totalMs: 0 } };
}
