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
import { EndpointGate } from '../../models/slots/endpoint-gate.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { ChatSeat } from './chat-route.ts';

/** What reaches one endpoint for chats: `ModelClient`. One without `relay` serves none, and one without `pass` passes nothing on. */
export interface RelayClient {
  relay?(call: RelayCall, signal?: AbortSignal): Relay;
  pass?(call: PassCall, signal?: AbortSignal): PassRelay;
  readonly read?: ((call: ReadCall, signal?: AbortSignal) => Promise<ReadOutcome>) | undefined;
}

/** What a call may take. */
export type CallLimits = Pick<RelayCall, 'timeoutMs' | 'phases'>;

/** What a call begins with. `onLife` is called at each sign of life. */
export interface CallOpening {
  readonly client: RelayClient;
  readonly limits: CallLimits;
  readonly onLife: () => void;
  readonly signal: AbortSignal;
}

export interface SeatedChat {
  /** The answers asked for: each takes a slot. */
  readonly choices: number;
  /** Whether the server is asked for events. */
  readonly isStreamed: boolean;
  readonly seat: ChatSeat;
  /** Its place among all that wait for the same slots: lower is served first. */
  readonly rankMs: number;
  /** When its answer must have begun: then another seat is asked. Without one, the same as `endMs`. */
  readonly sliceEndMs: number;
  /** When it must have ended. */
  readonly endMs: number;
  /** Whether another seat is asked if this one fails. */
  readonly hasNext: boolean;
  /** Makes the call. Undefined where the client has no way to make it. */
  readonly begin: (opening: CallOpening) => Promise<RelayEnd> | undefined;
}

export interface ChatCallEnd {
  /** Absent where the answer is whole. */
  readonly failure?: PlannerError;
  readonly refusal?: Refusal;
  /** Absent where no call was made. */
  readonly report?: CallReport;
  /** Until the call began. */
  readonly waitMs: number;
}

/** However quick a model usually is, a prompt may be long, or not be in its cache: another seat is not asked sooner. */
const FIRST_TOKEN_MS_MIN = 5_000;
/** A server may keep a tool call back until it is whole. */
const GAP_MS_MIN = 10_000;
/** The one call that decides whether an endpoint is well again does not keep it resting for long. */
const PROBE_MS_MIN = 10_000;
/** A stream is read; what is left to the whole time bounds it. */
const LEAST_MS = 1;

/**
 * Calls endpoints for chats, beside the plans: through the same gates, breakers and profiles. Of an endpoint that plans use,
 * chats leave one slot free where it is known to have several: an answer of a minute would hold up a plan of a second. A chat
 * that asks for several answers takes a slot for each, as it does in the server; one such chat gathers its slots at a time, or
 * two of them would wait for what the other one holds.
 */
export class SeatCaller {
  readonly #clock: Clock;
  readonly #options: ResolvedOptions;
  readonly #turns: LoopTurns;
  readonly #clients: ReadonlyMap<string, RelayClient>;
  readonly #shares = new Map<string, EndpointGate>();
  /** Who gathers several slots of an endpoint. */
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
      // A number of slots that is learned grows only where all of them are used.
      const left = (): number => (ofPlans.has(name) && at.hasKnownSlots ? 1 : 0);
      this.#gathering.set(name, new EndpointGate(this.#clock, 1, 0));
      this.#shares.set(name, new EndpointGate(this.#clock, () => Math.max(1, at.gate.slots - left()), 0));
    }
  }

  /** Never rejects. */
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
      // The wait is over: from here on the call has time limits of its own.
      waiting.dispose();
      const { end, heldMs } = await this.#relay(call, entry.slot, signal);
      holdMs = heldMs;
      return { ...end, waitMs };
    } finally {
      waiting.dispose();
      // As long as the slot itself: else an aborted chat and the next one would have two.
      for (const slot of taken) slot.release(holdMs);
    }
  }

  close(): void {
    for (const gate of [...this.#shares.values(), ...this.#gathering.values()]) gate.close();
  }

  /** A share of the endpoint for each answer, and a slot for each but the one that the call enters by. */
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
      // Nobody waits for slots of an endpoint that rests: the call is refused as it enters.
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
      const begun = client && call.begin({ client, limits, onLife: () => at.answering(), signal });
      if (begun === undefined) throw new PlannerError('ERR_INTERNAL', 'the client of the endpoint relays no chats');
      end = await begun;
    } catch (error) {
      // A bug: told as such, and counted like any other end, so that slot and breaker get back what is theirs.
      end = { failure: asPlannerError(error), report: { totalMs: this.#clock.now() - startedAtMs } };
    }
    const report = at.counted(model, end.report);
    end = { ...end, report };
    const { failure } = end;
    const result =
      failure === undefined ? { ok: true as const, report } : { ok: false as const, error: failure, report };
    return { end, heldMs: at.ended(model, 'chat', result, slot, isStreamed, begin) };
  }

  /**
   * What is learned of a model bounds the time to its first token only while another seat may answer: where nobody else can,
   * a model that is slow today is better than none.
   */
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
