import { StreamOrder } from '../../src/main/plans/prompts/stream-order.ts';
import type { Domain, ExpertRole } from '../../src/shared/domain.ts';
import type { ChatMessage } from '../../src/shared/model-client/model-client.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { renderSituation, situationOf } from '../../src/shared/situation.ts';
import { expertMessages } from '../../src/workers/prompt.ts';

/** What is asked for: a vote as JSON, or the label of one action. */
export type AskedForm = 'json' | 'label';

/** A way to word the prompt of a role. To try another wording, write one and compare it. */
export interface Layout {
  readonly name: string;
  /** Called with each request of the stream before it is asked about. */
  saw(request: PlanRequest): void;
  messages(domain: Domain, request: PlanRequest, role: ExpertRole, form: AskedForm): readonly ChatMessage[];
}

/** The prompt as plans send it to a model that is both read and asked for JSON. */
export function newLayout(domain: Domain): Layout {
  const order = new StreamOrder(domain);
  const preamble = { roles: domain.roles.map(({ name }) => name), json: { thinks: false } };
  return {
    name: 'new',
    saw: (request) => order.saw(request.agent, situationOf(request, 64)),
    messages: (_, request, role, form) => {
      const situation = situationOf(request, 64, undefined, order.current);
      const shared = renderSituation(domain, situation, form);
      return expertMessages(domain, { ...role, vision: false }, situation, shared, preamble);
    },
  };
}
