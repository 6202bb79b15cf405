import { type Clock, deadlineSignal } from '../../../shared/clock.ts';
import { asPlannerError, type ErrorCode, PlannerError } from '../../../shared/errors.ts';
import type { Refusal } from '../../../shared/model-client/answer-reader.ts';
import type { PhaseLimits } from '../../../shared/model-client/call-watch.ts';
import type { Relay, RelayCall, RelayEnd } from '../../../shared/model-client/chat-relay.ts';
import type { PassCall, PassRelay } from '../../../shared/model-client/pass-relay.ts';
import type { ReadCall, ReadOutcome } from '../../../shared/reads/reading.ts';
import type { CallReport } from '../../../shared/tasks.ts';
import { enterEndpoint } from '../../models/calls/enter-endpoint.ts';
import type { LoopTurns } from '../../models/calls/loop-turns.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { Slot } from '../../models/slots/ask.ts';
import { cuttable } from '../../models/slots/cuttable.ts';
import { EndpointGate } from '../../models/slots/endpoint-gate.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { ChatSeat } from './chat-route.ts';

/** The client of one endpoint for chats: `ModelClient`. Without `relay` it serves no chats, and without `pass` it passes nothing on. */
export interface RelayClient {
  relay?(call: RelayCall, signal?: AbortSignal): Relay;
  pass?(call: PassCall, signal?: AbortSignal): PassRelay;
  readonly read?: ((call: ReadCall, signal?: AbortSignal) => Promise<ReadOutcome>) | undefined;
}

type CallLimits = Pick<RelayCall, 'timeoutMs' | 'phases'>;

/** Parameters of a call. `onLife` is called at each sign of life. */
export interface CallOpening {
  readonly client: RelayClient;
  readonly limits: CallLimits;
  readonly onLife: () => void;
  readonly signal: AbortSignal;
}

interface SeatedChat {
  /** Number of answers asked for: each takes a slot. */
  readonly choices: number;
  /** True if the server is asked for events. */
  readonly isStreamed: boolean;
  readonly seat: ChatSeat;
  /** Its rank among the calls that wait for the same slots: lower is served first. */
  readonly rankMs: number;
  /** When its answer must have begun, else another seat is asked. Default: `endMs`. */
  readonly sliceEndMs: number;
  /** When it must have ended. */
  readonly endMs: number;
  /** True if another seat is asked if this one fails. */
  readonly hasNext: boolean;
  /** Makes the call. Undefined if the client cannot make it. */
  readonly begin: (opening: CallOpening) => Promise<RelayEnd> | undefined;
}

export interface ChatCallEnd {
  /** Absent if the answer is complete. */
  readonly failure?: PlannerError;
  readonly refusal?: Refusal;
  /** Absent if no call was made. */
  readonly report?: CallReport;
  /** Time until the call began. */
  readonly waitMs: number;
}

/** Minimum wait for a first token before another seat is asked: however fast a model usually is, a prompt may be long or uncached. */
const FIRST_TOKEN_MS_MIN = 5_000;
/** Minimum limit for a gap: a server may hold a tool call back until it is complete. */
const GAP_MS_MIN = 10_000;
/** Minimum time for the probe that decides whether an endpoint is well again, so that it does not rest for long. */
const PROBE_MS_MIN = 10_000;
/** Minimum for a streamed call, which is bounded by the rest of the total time. */
const LEAST_MS = 1;

/**
 * Calls endpoints for chats, through the same gates, breakers and profiles as plans. If an endpoint that plans use is known to have several slots,
 * chats leave one free: an answer of a minute would hold up a plan of a second. A chat that asks for several answers takes a slot for each, as it
 * does in the server; only one such chat gathers slots at a time, or two would wait for each other.
 */
export class SeatCaller {
  readonly #clock: Clock;
  readonly #options: ResolvedOptions;
  readonly #turns: LoopTurns;
  readonly #clients: ReadonlyMap<string, RelayClient>;
  readonly #shares = new Map<string, EndpointGate>();
  /** Lets one chat at a time gather several slots of an endpoint. */
  readonly #gathering = new Map<string, EndpointGate>();

  constructor(
    options: ResolvedOptions,
    parts: {
      readonly clock: Clock;
      readonly turns: LoopTurns;
      readonly clients: ReadonlyMap<string, RelayClient>;
      readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
    },
  ) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#turns = parts.turns;
    this.#clients = parts.clients;
    const ofPlans = new Set(
      [...options.experts, ...options.synthesis.models].flatMap(({ endpoint, alternatives }) => [
        endpoint,
        ...alternatives,
      ]),
    );
    for (const [name, at] of parts.endpoints) {
      // A learned number of slots grows only if all of them are used.
      const left = (): number => (ofPlans.has(name) && at.hasKnownSlots ? 1 : 0);
      this.#gathering.set(name, new EndpointGate(this.#clock, 1, 0));
      this.#shares.set(name, new EndpointGate(this.#clock, () => Math.max(1, at.gate.slots - left()), 0));
    }
  }

  /** Makes a call. Never rejects. */
  async call(call: SeatedChat, signal: AbortSignal): Promise<ChatCallEnd> {
    const { seat, rankMs, sliceEndMs } = call;
    const { at } = seat;
    const startedAtMs = this.#clock.now();
    const refuse = (code: ErrorCode, message: string): ChatCallEnd => ({
      failure: new PlannerError(signal.aborted ? 'ERR_CANCELLED' : code, message),
      waitMs: this.#clock.now() - startedAtMs,
    });
    const waiting = deadlineSignal(this.#clock, sliceEndMs, signal);
    const taken: Slot[] = [];
    let holdMs = 0;
    try {
      if (!(await this.#gather(call, waiting.signal, taken))) {
        return refuse('ERR_ENDPOINT_BUSY', 'no slot became free in time');
      }
      const entry = await enterEndpoint(at, { rankMs, modelNow: () => seat.model }, this.#turns, waiting.signal);
      if (entry.kind === 'refused') return refuse(entry.code, entry.message);
      const waitMs = this.#clock.now() - startedAtMs;
      // The wait is over: from here on the call has its own time limits.
      waiting.dispose();
      const { end, heldMs } = await this.#relay(call, entry.slot, signal);
      holdMs = heldMs;
      return { ...end, waitMs };
    } finally {
      waiting.dispose();
      // As long as the slot itself, or an aborted chat and the next one would have two.
      for (const slot of taken) slot.release(holdMs);
    }
  }

  close(): void {
    for (const gate of [...this.#shares.values(), ...this.#gathering.values()]) gate.close();
  }

  /** Takes a share of the endpoint for each answer, and a slot for each except the one that the call enters by. */
  async #gather({ seat: { at }, choices, rankMs }: SeatedChat, signal: AbortSignal, taken: Slot[]): Promise<boolean> {
    const share = this.#shares.get(at.name) as EndpointGate;
    const take = async (gate: EndpointGate, count: number): Promise<boolean> => {
      for (let nth = 0; nth < count; nth++) {
        const slot = await gate.acquire(signal, { rankMs });
        if (slot === undefined) return false;
        taken.push(slot);
      }
      return true;
    };
    if (choices === 1) return take(share, 1);
    const turn = await this.#gathering.get(at.name)?.acquire(signal, { rankMs });
    try {
      const shares = Math.min(choices, share.slots);
      const slots = Math.min(choices, at.gate.slots);
      // No waiting for slots of a resting endpoint: the call is refused when it enters.
      return turn !== undefined && (await take(share, shares)) && (at.isResting || (await take(at.gate, slots - 1)));
    } finally {
      turn?.release();
    }
  }

  async #relay(call: SeatedChat, slot: Slot, signal: AbortSignal): Promise<{ end: RelayEnd; heldMs: number }> {
    const { isStreamed } = call;
    const { at, model } = call.seat;
    const begin = at.begins(model);
    const startedAtMs = this.#clock.now();
    let end: RelayEnd;
    try {
      const client = this.#clients.get(at.name);
      const limits = this.#limits(call);
      const stop = cuttable(at.gate, slot, signal);
      const begun = client && call.begin({ client, limits, onLife: () => at.answering(), signal: stop });
      if (begun === undefined) throw new PlannerError('ERR_INTERNAL', 'the client of the endpoint relays no chats');
      end = await begun;
    } catch (error) {
      // A bug: reported as one, and counted like any other end, so that slot and breaker are released.
      end = { failure: asPlannerError(error), report: { totalMs: this.#clock.now() - startedAtMs } };
    }
    const report = at.counted(model, end.report);
    end = { ...end, report };
    const { failure } = end;
    const result =
      failure === undefined ? { ok: true as const, report } : { ok: false as const, error: failure, report };
    return { end, heldMs: at.ended(model, 'chat', result, slot, isStreamed, begin) };
  }

  /** Learned times bound the wait for the first token only while another seat may answer: without one, a slow model is better than none. */
  #limits({ seat, isStreamed, sliceEndMs, endMs, hasNext }: SeatedChat): CallLimits {
    const nowMs = this.#clock.now();
    const leftMs = Math.max(LEAST_MS, endMs - nowMs);
    const sliceMs = Math.max(LEAST_MS, sliceEndMs - nowMs);
    if (!isStreamed) return { timeoutMs: sliceMs };
    const { at, model } = seat;
    const { stallMs } = this.#options.chat;
    const learned = at.timeouts(model, 'chat', leftMs);
    const beginMs = (limitMs: number): number => {
      const probedMs = at.isProbed ? Math.max(PROBE_MS_MIN, at.probeMs(model, 'chat')) : Number.POSITIVE_INFINITY;
      return Math.min(sliceMs, probedMs, hasNext ? Math.max(FIRST_TOKEN_MS_MIN, limitMs) : sliceMs);
    };
    const phases: PhaseLimits = {
      headersMs: beginMs(learned.headersMs),
      firstTokenMs: beginMs(learned.firstTokenMs),
      gapMs: Math.min(stallMs, Math.max(GAP_MS_MIN, learned.gapMs)),
    };
    return { timeoutMs: leftMs, phases };
  }
}
