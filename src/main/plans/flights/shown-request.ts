import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type PromptOrder, type Situation, situationOf } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { OnChoice } from '../../../shared/vote-answer.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';

/**
 * A request as shown to models. Answers pass through messages and parsers, so an action is mapped back to the request's own
 * string.
 */
export class ShownRequest {
  readonly #request: PlanRequest;
  readonly #options: ResolvedOptions;
  readonly #inVain: string | undefined;
  readonly #order: PromptOrder | undefined;
  #situation: Situation | undefined;

  constructor(
    request: PlanRequest,
    options: ResolvedOptions,
    inVain: string | undefined,
    order: PromptOrder | undefined,
  ) {
    this.#request = request;
    this.#options = options;
    this.#inVain = inVain;
    this.#order = order;
  }

  /** What models are shown. Created when the first model is asked, in a separate turn. */
  get situation(): Situation {
    this.#situation ??= situationOf(this.#request, this.#options.promptActionsMax, this.#inVain, this.#order);
    return this.#situation;
  }

  ownVote(result: ExpertResult): ExpertResult {
    return result.ok ? { ...result, vote: { ...result.vote, action: this.#own(result.vote.action) } } : result;
  }

  /** Returns a listener that passes choices on. Undefined if choices do not count before their answers have ended. */
  ownChoice(...listeners: readonly (OnChoice | undefined)[]): OnChoice | undefined {
    if (!this.#options.features.earlyChoices) return undefined;
    return (action) => {
      const own = action === undefined ? undefined : this.#own(action);
      for (const listener of listeners) listener?.(own);
    };
  }

  #own(action: string): string {
    const index = this.#request.actions.indexOf(action);
    if (index < 0) throw new Error(`an action that was not offered passed the parser: ${action}`);
    return this.#request.actions[index] as string;
  }
}
