import type { Domain } from '../domain.ts';
import { type Preamble, renderSituation, renderSystem, type Situation } from '../situation.ts';
import type { ReadTerms } from '../tasks.ts';
import { OptionOrder } from './option-order.ts';
import type { ReadCall } from './reading.ts';

/** Returns the call that reads a plan's decision, with the situation rendered for the form. */
export function planRead(
  domain: Domain,
  situation: Situation,
  terms: ReadTerms & Pick<ReadCall, 'model' | 'timeoutMs'>,
  preamble?: Preamble,
): ReadCall {
  const { form, turn } = terms;
  const { actions } = situation;
  // The other forms carry options and questions of their own.
  const state =
    form === 'logprobs'
      ? renderSituation(domain, { ...situation, actions: new OptionOrder(actions, turn, 0).actions }, 'label')
      : renderSituation(domain, situation, 'none');
  return { ...terms, system: renderSystem(domain, preamble), state, actions };
}
