import type { Decision } from '../../shared/decision.ts';
import type { HitJudgement } from './evidence/hit-judge.ts';

/** The reason of a plan that memory answers. */
export function rememberedReason(decision: Decision, action: string): string {
  return decision.action === action ? decision.reason : 'the best legal one of the votes for this state';
}

/** The reason of a plan that memory answers within an error budget, where evidence from all agents decides what is served. */
export function evidenceReason(decision: Decision, action: string, { prediction }: HitJudgement): string {
  if (prediction?.habitAtMs !== undefined) {
    return `usually done next: ${prediction.agreeing} of ${prediction.inGates} decisions after the same action`;
  }
  if (decision.action === action || prediction === undefined) return rememberedReason(decision, action);
  const { agreeing, inState, inGates } = prediction;
  return inState > 0
    ? `${agreeing} of ${inState} decisions in this state chose it`
    : `${agreeing} of ${inGates} decisions in similar states chose it`;
}
