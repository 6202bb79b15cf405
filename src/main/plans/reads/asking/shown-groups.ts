import type { PlanRequest } from '../../../../shared/plan-request.ts';
import { READ_ACTIONS_MAX } from '../../../../shared/reads/labels.ts';
import { type PromptOrder, type Situation, situationOf } from '../../../../shared/situation.ts';
import type { ResolvedOptions } from '../../../options/planner-options.ts';

/**
 * What a read shows of a request: groups of actions, each with a label for every action. The first group has the highest values, and
 * is the whole request if there are enough labels. Otherwise the list of actions stands last, so that servers read what stands
 * before it once for all groups.
 */
export class ShownGroups {
  readonly #request: PlanRequest;
  readonly #options: ResolvedOptions;
  readonly #inVain: string | undefined;
  readonly #order: PromptOrder | undefined;
  readonly #isMany: boolean;
  #first: Situation | undefined;

  constructor(
    request: PlanRequest,
    options: ResolvedOptions,
    inVain: string | undefined,
    order: PromptOrder | undefined,
  ) {
    this.#isMany = Math.min(request.actions.length, options.promptActionsMax) > READ_ACTIONS_MAX;
    this.#request = request;
    this.#options = options;
    this.#inVain = inVain;
    this.#order = this.#isMany ? actionsLast(order, options) : order;
  }

  get first(): Situation {
    this.#first ??= this.#shown(this.#request);
    return this.#first;
  }

  /** The groups after the first, of nearly the same size. */
  get rest(): readonly Situation[] {
    if (!this.#isMany) return [];
    const first = new Set(this.first.actions);
    const { actions } = situationOf(this.#request, this.#options.promptActionsMax);
    const others = actions.filter((action) => !first.has(action));
    const count = Math.ceil(others.length / READ_ACTIONS_MAX);
    const at = (nth: number): number => Math.round((nth * others.length) / count);
    return Array.from({ length: count }, (_, nth) => this.of(others.slice(at(nth), at(nth + 1))));
  }

  /** The situation with these actions alone, in the order of the request. */
  of(actions: readonly string[]): Situation {
    const shown = new Set(actions);
    return this.#shown({ ...this.#request, actions: this.#request.actions.filter((action) => shown.has(action)) });
  }

  #shown(request: PlanRequest): Situation {
    const actionsMax = Math.min(this.#options.promptActionsMax, READ_ACTIONS_MAX);
    return situationOf(request, actionsMax, this.#inVain, this.#order);
  }
}

function actionsLast(order: PromptOrder | undefined, { domain }: ResolvedOptions): PromptOrder {
  const { beforeActions, afterActions } = order ?? { beforeActions: [], afterActions: Object.keys(domain.features) };
  return { beforeActions: [...beforeActions, ...afterActions], afterActions: [] };
}
