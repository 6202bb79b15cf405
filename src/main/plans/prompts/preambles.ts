import type { ReadForm } from '../../../shared/reads/reading.ts';
import type { Preamble } from '../../../shared/situation.ts';
import type { VoteTerms } from '../../../shared/tasks.ts';
import type { AnswerForms } from '../../models/forms/answer-form.ts';
import type { ReadForms } from '../../models/forms/read-forms.ts';
import type { Seat } from '../../models/seat.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';

/** Forms of reads whose prompts begin as chats do, so that the same slot serves reads and answers in words without reading twice. */
const CHAT_LIKE: ReadonlySet<ReadForm | undefined> = new Set(['decisions', 'logprobs']);

export interface PreambleParts {
  readonly options: ResolvedOptions;
  readonly forms: AnswerForms;
  /** Undefined if no model is read. */
  readonly readForms: ReadForms | undefined;
  readonly thinks: (endpoint: string, model: string, otherwise: boolean) => boolean;
}

/**
 * Determines what the prompts of a seat begin with: the same for all of them, as far as possible, because a server reads only what
 * follows the first difference. Roles that are never asked there would only cost tokens.
 */
export class Preambles {
  readonly #parts: PreambleParts;

  constructor(parts: PreambleParts) {
    this.#parts = parts;
  }

  /** The preamble of a prompt that asks for words: for an expert, or for a synthesis if there is no role. */
  written(
    { endpoint, model }: Seat,
    { answer, thinks }: Pick<VoteTerms, 'answer' | 'thinks'>,
    role?: string,
  ): Preamble {
    return {
      roles: this.#rolesAt(endpoint, model, role),
      ...(answer === 'json' ? { json: { thinks } } : {}),
    };
  }

  /** The preamble of a read in a form. Which of several roles are asked may differ from read to read; what they are told does not. */
  read({ endpoint, model }: Seat, form: ReadForm, asked: readonly string[]): Preamble {
    const { forms, thinks, options } = this.#parts;
    const roles = options.experts.map(({ role }) => role);
    if (!CHAT_LIKE.has(form)) return { roles: asked.length > 1 ? roles : asked };
    if (!forms.isJson(endpoint, model)) return { roles };
    return { roles, json: { thinks: thinks(endpoint, model, false) } };
  }

  /** The preamble of probes, which servers read before the first plan; nothing is known yet of their forms. */
  probe({ endpoint, model }: Seat): Preamble {
    return { roles: this.#rolesAt(endpoint, model, undefined) };
  }

  #rolesAt(endpoint: string, model: string, role: string | undefined): readonly string[] {
    const { options, readForms } = this.#parts;
    const { experts } = options;
    if (CHAT_LIKE.has(readForms?.shownFor(endpoint, model))) return experts.map((expert) => expert.role);
    const own = experts.filter(
      (expert) => expert.model === model && [expert.endpoint, ...expert.alternatives].includes(endpoint),
    );
    return [...new Set([...own.map((expert) => expert.role), ...(role === undefined ? [] : [role])])];
  }
}
