import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { hashOf } from '../../../shared/random.ts';
import { legalAction } from '../../cache/remembered-action.ts';
import type { ClaimOutcome, ClusterStates, MadeElsewhere, StateClaim } from '../../cluster/states/cluster-states.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import type { FlightCalls } from './flight-calls.ts';
import type { FlightPurpose } from './flight-parts.ts';

/** Share of its time that a flight keeps for its own models while theirs are not known. */
const OWN_SHARE = 0.5;

export interface FlightClaimParts {
  readonly states: Pick<ClusterStates, 'claim'>;
  readonly request: PlanRequest;
  readonly purpose: FlightPurpose;
  readonly calls: FlightCalls;
  readonly outlook: ExpertOutlook;
}

/** What a flight has of its state in a cluster, where equal work is done by one node. */
export class FlightClaim {
  readonly #parts: FlightClaimParts;
  #claim: StateClaim | undefined;
  /** What another node's flight has decided. */
  made: MadeElsewhere | undefined;
  /** Whether another node is at the same work, which no plan waits for. */
  isTaken = false;

  constructor(parts: FlightClaimParts) {
    this.#parts = parts;
  }

  /** Names the node that has decided, if another one has. */
  get by(): { readonly node?: string } {
    return this.made === undefined ? {} : { node: this.made.node };
  }

  /** Returns whether the flight is to ask models. Otherwise another node has, or is about to. */
  async take(): Promise<boolean> {
    const { states, purpose, calls } = this.#parts;
    const outcome = await states.claim({
      state: claimName(purpose),
      deadlineMs: calls.deadlineMs,
      waitUntilMs: calls.isAwaited ? this.#waitUntilMs() : undefined,
      asksAgain: purpose.asksAgain === true || purpose.oneExpert !== undefined,
      signal: calls.signal,
    });
    return this.#isToAsk(outcome);
  }

  #isToAsk(outcome: ClaimOutcome): boolean {
    if (outcome.kind === 'go') this.#claim = outcome.claim;
    else if (outcome.kind === 'taken') this.isTaken = true;
    else if (legalAction(this.#parts.request, outcome.made.decision.action) === undefined) return true;
    else this.made = outcome.made;
    return outcome.kind === 'go';
  }

  /** A plan waits for another node as long as its own models would still have the time that they need. */
  #waitUntilMs(): number {
    const { calls, outlook } = this.#parts;
    const leftMs = calls.deadlineMs - calls.nowMs;
    return calls.deadlineMs - Math.min(leftMs, outlook.usualMs() ?? leftMs * OWN_SHARE);
  }

  /** The flight has ended. Its decision is handed on to other nodes, unless it is not to be remembered. */
  end(decision: Decision | undefined): void {
    this.#claim?.end(decision);
  }
}

/** Flights with the same name are for the same thing. */
function claimName({ state, inVain, oneExpert, served, lane = 'foreground', isForeseen }: FlightPurpose): string {
  const advised = inVain === undefined ? '' : `.${hashOf(inVain).toString(16)}`;
  if (oneExpert !== undefined) return `${state}.vote`;
  if (served !== undefined) return `${state}.check`;
  // No plan waits for another node's work in the background, which gives way to all others there.
  if (isForeseen) return `${state}.ahead`;
  return lane === 'foreground' ? `${state}${advised}` : `${state}.again`;
}
