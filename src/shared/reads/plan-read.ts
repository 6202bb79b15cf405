import type { Domain } from '../domain.ts';
import { type Preamble, renderSituation, renderSystem, type Situation } from '../situation.ts';
import type { ReadTerms } from '../tasks.ts';
import type { ReadCall } from './reading.ts';

/** Returns the call that reads a plan's decision, with the situation rendered for the form. */
export function planRead(
  domain: Domain,
  situation: Situation,
  terms: ReadTerms & Pick<ReadCall, 'model' | 'timeoutMs'>,
  preamble?: Preamble,
): ReadCall {
  return {
    ...terms,
    system: renderSystem(domain, preamble),
    // The other forms carry options and questions of their own.
    state: renderSituation(domain, situation, terms.form === 'logprobs' ? 'label' : 'none'),
    actions: situation.actions,
  };
}
