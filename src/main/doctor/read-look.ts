import { defined } from '../../shared/defined.ts';
import { skyrim } from '../../shared/domains/skyrim.ts';
import type { PlannerError } from '../../shared/errors.ts';
import type { ModelClient } from '../../shared/model-client/model-client.ts';
import { planRead } from '../../shared/reads/plan-read.ts';
import type { ReadForm } from '../../shared/reads/reading.ts';
import { type AnswerForm, renderSystem, type Situation } from '../../shared/situation.ts';
import type { ChatCaller } from '../../shared/vote-answer.ts';
import { rounded } from '../measure/shares.ts';
import type { ServerKind } from '../models/discovery/endpoint-facts.ts';
import type { ReadForms } from '../models/forms/read-forms.ts';
import type { Seat } from '../models/seat.ts';
import type { AnswerRule } from '../options/planner-options.ts';

/** The result of trying to read the decisions of a model, and how long that takes. */
export interface ReadLook {
  /** The form in which it can be read; null if it can only be asked in words, absent if no call showed it. */
  readonly form?: ReadForm | null;
  /** How long one read of a plan's prompt took, in milliseconds. */
  readonly readMs?: number;
  /** Why it cannot be read in the last form that was tried. */
  readonly message?: string;
}

/** A form in which plans ask a model: a form of reads, or of answers in words. */
type AskedForm = ReadForm | AnswerForm;

/** How plans ask a model. */
export interface Asked {
  /** The rule in the configuration. */
  readonly answers: AnswerRule;
  /** The resulting forms, in order. */
  readonly asked: readonly AskedForm[];
}

/** How a configuration wants models to be asked. */
export interface Asking {
  /** The rule for the model at a seat. */
  readonly ruleFor: (seat: Seat) => AnswerRule;
  /** Whether answers in words are requested as JSON with a schema, if the server enforces it. */
  readonly isConstrained: boolean;
}

/** Tries the forms of reads one after the other; times one read of a plan's prompt with the first one that works. */
export async function lookAtReads(
  seat: Seat & { readonly kind: ServerKind },
  forms: ReadForms,
  caller: Pick<ModelClient, 'chat' | 'read'>,
  situation: Situation,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ReadLook> {
  const { endpoint, model } = seat;
  let failure: PlannerError | undefined;
  const listening: ChatCaller = {
    chat: (call, ended) => caller.chat(call, ended),
    read: async (call, ended) => {
      const outcome = await caller.read(call, ended);
      failure = outcome.ok ? undefined : outcome.failure;
      return outcome;
    },
  };
  await forms.probe(seat, listening, renderSystem(skyrim), timeoutMs, signal);
  const form = forms.shownFor(endpoint, model);
  const message = failure?.message;
  if (form === undefined) {
    const isNone = forms.formFor(endpoint, model) === undefined;
    return { ...(isNone ? { form: null } : {}), ...defined({ message }) };
  }
  const roles = (form === 'logprobs' ? skyrim.roles.slice(0, 1) : skyrim.roles).map(({ name }) => name);
  const call = planRead(skyrim, situation, { form, model, roles, timeoutMs, ...forms.mannerFor(seat) });
  const read = await caller.read(call, signal);
  return read.ok ? { form, readMs: rounded(read.report.totalMs, 1) } : { form, message: read.failure.message };
}

/** How plans ask a model: in words if it cannot or may not be read, or if a read leaves them unsure. */
export function askedIn(asking: Asking, seat: Seat, { form }: ReadLook, keepsSchema: boolean): Asked {
  const answers = asking.ruleFor(seat);
  const words = asking.isConstrained && keepsSchema ? 'json' : 'text';
  if (answers === 'write' || form === undefined || form === null) return { answers, asked: [words] };
  return { answers, asked: answers === 'read' ? [form] : [form, words] };
}
