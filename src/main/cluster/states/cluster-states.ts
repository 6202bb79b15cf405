import { type Clock, stampNow } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import { decodeDecision, isSoundDecision } from '../../../shared/store/decision-codec.ts';
import { encodedDecisionOf, encodeRecord } from '../../cache/disk/decision-record.ts';
import type { ClusterNames, Engine, EngineReply } from '../engine/engine.ts';
import { framed, framesOf } from '../log/frames.ts';
import type { EndedClaim } from '../log/log-sender.ts';

/** How long a claim may take: this share of the flight's time, within bounds in milliseconds. Then the flight goes on alone. */
const CLAIM_SHARE = 0.02;
const CLAIM_MS = { min: 10, max: 100 };
/** A flight that waits for another node's asks again at this interval, in case the owner has died. */
const ASK_AGAIN_MS = 500;
/** It does not go on asking sooner than this, however little time a claim has left and however often it is said to have changed. */
const ASK_MS_MIN = 10;
const MADE_MS = 2_000;
/** With less time than this, a flight goes on alone, in milliseconds. */
const TIME_MS_MIN = 20;
/** Maximum number of flights that wait for other nodes at the same time. Further ones go on alone. */
const WAITS_MAX = 4_096;

/** A decision of another node's flight. */
export interface MadeElsewhere {
  readonly decision: Decision;
  readonly node: string;
}

/** A state that this node's flight owns, or goes on with alone. Ended once. */
export interface StateClaim {
  /** Ends the claim: with a decision, which waiting flights of other nodes take over, or without one. */
  end(decision: Decision | undefined): void;
}

export type ClaimOutcome =
  | { readonly kind: 'go'; readonly claim: StateClaim }
  | { readonly kind: 'made'; readonly made: MadeElsewhere }
  /** Another node is at it, and this flight does not wait. */
  | { readonly kind: 'taken' };

export interface ClaimQuestion {
  /** Names the state and the purpose: flights with the same name are for the same thing. */
  readonly state: string;
  /** When the claim ends by itself: the deadline of the flight. */
  readonly deadlineMs: number;
  /** Until when to wait for another node. Undefined: does not wait. */
  readonly waitUntilMs: number | undefined;
  /** Whether models are asked although a decision is known: then one that was made just now is no answer, but one that is waited for is. */
  readonly asksAgain: boolean;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

export interface StateStats {
  /** Claims by outcome: its own; made by another node's flight; another's; not answered in time; not asked, because the engine was away. */
  readonly claims: Readonly<Record<'own' | 'made' | 'another' | 'late' | 'away', number>>;
  /** Flights that are waiting now. */
  readonly waiting: number;
  /** Flights that waited for another node, and those that got nothing. */
  readonly waits: number;
  readonly inVain: number;
}

export interface ClusterStatesParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  readonly fingerprint: string;
  readonly clock: Clock;
  /** How long a decision is kept for flights that ask just after it was made, in milliseconds. Default 2 s; less without a cache. */
  readonly madeMs?: number;
  /** Ends a claim: sent with what was decided. */
  readonly endClaim: (claim: EndedClaim, state: string) => void;
}

/**
 * One flight for a state in the cluster: the first node to claim it owns it until its flight's deadline, and the others wait for what it
 * decides. A claim is asked for once, within a few milliseconds; without the engine every node goes on alone. The protocol is in
 * docs/concurrency.md.
 */
export class ClusterStates {
  readonly #parts: ClusterStatesParts;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #claims = { own: 0, made: 0, another: 0, late: 0, away: 0 };
  #clearedMs = Number.NEGATIVE_INFINITY;
  #next = 1;
  #waitingNow = 0;
  #waits = 0;
  #inVain = 0;

  constructor(parts: ClusterStatesParts) {
    this.#parts = parts;
  }

  /** Claims a state. Never rejects, and takes no longer than the flight can wait. */
  async claim(question: ClaimQuestion): Promise<ClaimOutcome> {
    const { state, waitUntilMs, signal } = question;
    const { clock } = this.#parts;
    let hasWaited = false;
    let askAfterMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const changed = this.#onChange(state);
      try {
        const nowMs = clock.now();
        if (nowMs < askAfterMs) await this.#wait(new Promise(() => {}), askAfterMs - nowMs, signal);
        if (hasWaited) askAfterMs = clock.now() + ASK_MS_MIN;
        const answer = await this.#ask(question, hasWaited || (!question.asksAgain && !this.#isJustCleared));
        if (answer.kind !== 'another') {
          if (hasWaited && answer.kind === 'go') this.#inVain++;
          return answer;
        }
        if (waitUntilMs === undefined) return { kind: 'taken' };
        const leftMs = Math.min(waitUntilMs - clock.now(), ASK_AGAIN_MS, Math.max(answer.leftMs, ASK_MS_MIN));
        if (signal.aborted || leftMs <= 0 || this.#waitingNow >= WAITS_MAX) {
          if (hasWaited) this.#inVain++;
          return { kind: 'go', claim: NO_CLAIM };
        }
        if (!hasWaited) this.#waits++;
        hasWaited = true;
        await this.#wait(changed.promise, leftMs, signal);
      } finally {
        changed.end();
      }
    }
  }

  /** The cache was cleared: what was made before is no answer any more. */
  cleared(): void {
    this.#clearedMs = this.#parts.clock.now();
  }

  /** Whether the engine may still have what was made before the cache was cleared. */
  get #isJustCleared(): boolean {
    const { clock, madeMs = MADE_MS } = this.#parts;
    return clock.now() <= this.#clearedMs + madeMs;
  }

  /** A claim has changed, at any node. */
  changed(state: string): void {
    if (this.#waiting.size === 0) return;
    for (const wake of [...(this.#waiting.get(state) ?? [])]) wake();
  }

  /** The engine is away, or back: those who wait ask again. */
  changedAll(): void {
    for (const state of [...this.#waiting.keys()]) this.changed(state);
  }

  stats(): StateStats {
    return { claims: { ...this.#claims }, waiting: this.#waitingNow, waits: this.#waits, inVain: this.#inVain };
  }

  async #ask(
    { state, deadlineMs }: ClaimQuestion,
    takesMade: boolean,
  ): Promise<ClaimOutcome | { kind: 'another'; leftMs: number }> {
    const { engine, names, clock } = this.#parts;
    const leftMs = Math.floor(deadlineMs - clock.now());
    if (!engine.isUp || leftMs < TIME_MS_MIN) {
      this.#claims.away++;
      return { kind: 'go', claim: NO_CLAIM };
    }
    const token = `${engine.node}:${this.#next++}`;
    const claim = this.#claimOf(state, token);
    const args = [token, String(leftMs), names.presence(''), takesMade ? '1' : '0'];
    const asked = engine.call('state_claim', [this.#keyOf(state)], args);
    const reply = await this.#inTime(asked, claimMs(leftMs));
    const answer = reply === undefined ? undefined : readClaim(reply);
    if (answer !== undefined) return this.#read(answer, claim);
    this.#claims.late++;
    // It may have been given all the same.
    return { kind: 'go', claim };
  }

  /**
   * Returns a reply, or undefined if there is none in time. If the event loop is held up, as by many requests at once, the timer fires before
   * a reply that is there is read; so it is waited for one turn more.
   */
  async #inTime(reply: Promise<EngineReply>, timeoutMs: number): Promise<EngineReply | undefined> {
    const { clock } = this.#parts;
    const late = Promise.withResolvers<undefined>();
    const timer = clock.setTimer(timeoutMs, () => clock.nextTurn(() => late.resolve(undefined)));
    try {
      return await Promise.race([reply, late.promise]);
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  #read(answer: ClaimAnswer, claim: StateClaim): ClaimOutcome | { kind: 'another'; leftMs: number } {
    if (answer.kind === 'another') {
      this.#claims.another++;
      return answer;
    }
    const decoded = answer.kind === 'made' ? decodeMade(answer.bytes, this.#parts.clock) : undefined;
    // If this node made it itself and asks again, it has a reason.
    const made = decoded?.node === this.#parts.engine.node ? undefined : decoded;
    if (made !== undefined) this.#claims.made++;
    else this.#claims.own++;
    return made === undefined ? { kind: 'go', claim } : { kind: 'made', made };
  }

  #claimOf(state: string, token: string): StateClaim {
    const { endClaim, engine, clock, madeMs = MADE_MS } = this.#parts;
    let isEnded = false;
    return {
      end: (decision) => {
        if (isEnded) return;
        isEnded = true;
        const made = decision ? encodeMade({ decision, node: engine.node }, clock) : undefined;
        endClaim({ key: this.#keyOf(state), token, made, keptMs: madeMs }, state);
      },
    };
  }

  #keyOf(state: string): string {
    return this.#parts.names.key('state', this.#parts.fingerprint, state);
  }

  /** Registered before the question, so that no change between answer and wait is missed. */
  #onChange(state: string): { readonly promise: Promise<void>; end(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(state) ?? new Set();
    this.#waiting.set(state, waiting.add(resolve));
    return {
      promise,
      end: () => {
        waiting.delete(resolve);
        if (waiting.size === 0 && this.#waiting.get(state) === waiting) this.#waiting.delete(state);
      },
    };
  }

  async #wait(changed: Promise<void>, leftMs: number, signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = this.#parts.clock.setTimer(leftMs, over.resolve);
    const onAbort = (): void => over.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waitingNow++;
    try {
      await Promise.race([changed, over.promise]);
    } finally {
      this.#waitingNow--;
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** Of a flight that goes on alone. */
const NO_CLAIM: StateClaim = { end: () => {} };

/** What the engine answers to a claim. */
type ClaimAnswer =
  | { readonly kind: 'own' }
  | { readonly kind: 'another'; readonly leftMs: number }
  | { readonly kind: 'made'; readonly bytes: Buffer };

/** Undefined for a reply that the function would not give. */
function readClaim(reply: EngineReply): ClaimAnswer | undefined {
  const [kind, told, leftMs] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  if (kind === 0 && Number.isFinite(leftMs)) return { kind: 'another', leftMs: leftMs as number };
  if (kind === 2 && Buffer.isBuffer(told)) return { kind: 'made', bytes: told };
  return kind === 1 ? { kind: 'own' } : undefined;
}

/*
 * What was made: frames of the node's name, and of f64 age in ms and the decision record. Its time at the engine is not counted: it is
 * two seconds at most, and the decision is used once, by flights that asked for it.
 */
function encodeMade({ decision, node }: MadeElsewhere, clock: Clock): Buffer {
  const age = Buffer.alloc(8);
  age.writeDoubleLE(Math.max(0, stampNow(clock) - decision.decidedAtMs));
  return Buffer.concat([framed(Buffer.from(node)), framed(Buffer.concat([age, encodeRecord(undefined, decision)]))]);
}

/** Plans name the node, so that it is shown to people. */
const NODE_NAME = /^[\w.-]{1,64}$/;

/** Undefined if the bytes are damaged, or have values that no node would send: then the claim is as good as free. */
function decodeMade(bytes: Buffer, clock: Clock): MadeElsewhere | undefined {
  const [node, record] = framesOf(bytes);
  if (node === undefined || record === undefined || record.length < 8 || !NODE_NAME.test(String(node)))
    return undefined;
  const encoded = encodedDecisionOf(record, 8);
  const ageMs = record.readDoubleLE(0);
  if (!isSoundDecision(encoded) || !Number.isFinite(ageMs) || ageMs < 0) return undefined;
  const decision = decodeDecision(encoded);
  return { node: String(node), decision: { ...decision, decidedAtMs: stampNow(clock) - ageMs } };
}

function claimMs(leftMs: number): number {
  return Math.min(CLAIM_MS.max, Math.max(CLAIM_MS.min, leftMs * CLAIM_SHARE));
}
