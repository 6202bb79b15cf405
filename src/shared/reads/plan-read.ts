import type { Domain } from '../domain.ts';
import { renderSituation, renderSystem, type Situation } from '../situation.ts';
import type { ReadTerms } from '../tasks.ts';
import type { ReadCall } from './reading.ts';

/** The call that reads a plan's decision: its situation, rendered for the form in which it is asked. */
export function planRead(
  domain: Domain,
  situation: Situation,
  terms: ReadTerms & Pick<ReadCall, 'model' | 'timeoutMs'>,
): ReadCall {
  return {
    ...terms,
    system: renderSystem(domain, true),
    // The other forms have options and questions of their own.
    state: renderSituation(domain, situation, terms.form === 'logprobs' ? 'label' : 'none'),
    actions: situation.actions,
  };
}
