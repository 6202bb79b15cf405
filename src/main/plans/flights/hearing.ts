import { panelEnd } from '../../models/time/time-budget.ts';
import type { SynthesisLadder } from '../ladder/synthesis-ladder.ts';
import type { Ballot } from '../panel/ballot.ts';
import type { ExpertCalls } from '../panel/expert-calls.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import type { Panel } from '../panel/panel.ts';
import type { PanelFit } from '../panel/panel-size.ts';
import type { FlightCalls } from './flight-calls.ts';
import type { FlightParts, FlightPurpose } from './flight-parts.ts';

export interface HearingParts {
  readonly parts: FlightParts;
  readonly purpose: FlightPurpose;
  readonly outlook: ExpertOutlook;
  readonly calls: FlightCalls;
  readonly ballot: Ballot;
  readonly experts: ExpertCalls;
  readonly ladder: SynthesisLadder;
}

/** How long a flight waits for its panel, and for what. */
export class Hearing {
  readonly #given: HearingParts;
  /** Whether the panel's time was over before the panel was settled. */
  isLate = false;

  constructor(given: HearingParts) {
    this.#given = given;
  }

  /** Waits until the panel is done, its time is over, or no plan waits any more. */
  async hear(panel: Panel, fit: PanelFit): Promise<void> {
    const { ballot, experts, parts } = this.#given;
    const { clock } = parts;
    const over = Promise.withResolvers<void>();
    const voted = Promise.withResolvers<void>();
    let isEnough = false;
    const looksEnough = (): void => void (isEnough && ballot.standing.length > 0 && over.resolve());
    const endMs = this.#panelEndMs(fit);
    const enoughMs = this.#enoughMs(fit);
    const onEnough = (): void => {
      // An expert that waits for a slot is not slow; and if no slot is free, a synthesis would have to wait as well.
      isEnough = experts.hasRoom;
      looksEnough();
    };
    const enough = enoughMs === undefined ? undefined : clock.setTimer(enoughMs, onEnough);
    ballot.onVote = () => {
      voted.resolve();
      looksEnough();
    };
    const onEnd = (): void => {
      this.isLate = true;
    };
    try {
      await this.#waitFor(Promise.race([panel.done, over.promise]), endMs, onEnd);
      await this.#hearFirst(panel, voted.promise);
      // Open calls may still answer while a synthesis runs; no other expert is asked.
      panel.stopAsking();
    } finally {
      enough?.cancel();
      ballot.onVote = () => {};
    }
  }

  /** When the panel's time is over: the rest is what a synthesis needs. */
  #panelEndMs({ members, isForLater }: PanelFit): number {
    const { parts, purpose, outlook, calls } = this.#given;
    const { options, clock } = parts;
    const nextMs = outlook.synthesisMs();
    const isPlan = purpose.oneExpert === undefined && !isForLater && options.synthesis.models.length > 0;
    const hasNext = isPlan && outlook.isRoomForBoth(members, nextMs);
    if (!hasNext && options.keepsLate) return calls.lastMs();
    const ceilingMs = Math.max(...options.experts.map((expert) => expert.timeoutMs));
    return panelEnd(clock.now(), calls.deadlineMs, ceilingMs, { timeSlices: options.timeSlices, hasNext, nextMs });
  }

  /** When an expert that has not answered is slower than nearly all calls. */
  #enoughMs({ members }: PanelFit): number | undefined {
    const { parts, outlook } = this.#given;
    const { features, quorum } = parts.options;
    return features.panelFit && quorum === 'firstAgree' ? outlook.enoughMs(members) : undefined;
  }

  /**
   * Without a vote there is nothing to merge: no synthesis starts while it is no likelier to answer in time than the experts with
   * open calls.
   */
  async #hearFirst(panel: Panel, voted: Promise<void>): Promise<void> {
    const { parts, outlook, calls, ballot } = this.#given;
    const { clock, options } = parts;
    if (!options.features.chanceFit || ballot.standing.length > 0 || panel.open === 0) return;
    if (outlook.isSynthesisLikelier(panel.openExperts, clock.now() - calls.startedAtMs)) return;
    await this.#waitFor(Promise.race([panel.done, voted]), calls.lastMs());
  }

  /**
   * If the ladder gave nothing and there is no vote either, or if no synthesis can be in time, waits for open calls as long as
   * there is time.
   */
  async hearTheRest(panel: Panel | undefined): Promise<void> {
    const { ballot, ladder, calls } = this.#given;
    if (panel === undefined || panel.open === 0) return;
    const heard = Promise.withResolvers<void>();
    if (ballot.standing.length > 0) {
      if (!ladder.isHopeless) return;
      ballot.onVote = () => void (ballot.isAgreed && heard.resolve());
    } else ballot.onVote = () => heard.resolve();
    await this.#waitFor(Promise.race([panel.done, heard.promise]), calls.lastMs());
  }

  /** Waits for a promise until `endMs`, or until no plan waits for the flight. */
  async #waitFor(promise: Promise<void>, endMs: number, onEnd: () => void = () => {}): Promise<void> {
    const { parts, calls } = this.#given;
    const { clock } = parts;
    const { signal } = calls;
    const over = Promise.withResolvers<void>();
    const onAbort = (): void => over.resolve();
    const timer = clock.setTimer(endMs - clock.now(), () => {
      onEnd();
      over.resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([promise, over.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }
}
