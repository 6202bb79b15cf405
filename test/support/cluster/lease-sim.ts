import { clusterNames, type Engine } from '../../../src/main/cluster/engine/engine.ts';
import { SlotLeases } from '../../../src/main/cluster/leases/slot-leases.ts';
import { AdaptiveLimit } from '../../../src/main/models/slots/adaptive-limit.ts';
import type { Slot } from '../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../src/main/models/slots/endpoint-gate.ts';
import { LeasedGates } from '../../../src/main/models/slots/leased-gates.ts';
import type { SlotBudget } from '../../../src/main/models/slots/slot-budget.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import { forkRandom, type Random } from '../../../src/shared/random.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { EngineModel, type ModelFunction } from './engine-model.ts';
import { syncSlots } from './slots-model.ts';

export interface LeaseSimSettings {
  readonly seed: number;
  readonly nodes: number;
  readonly slots: number;
  /** Time that a call takes at the server, in milliseconds. */
  readonly callMs?: (random: Random) => number;
  readonly broken?: BrokenProtocol;
  /** Whether the nodes must learn the number of slots. Default: they know it. */
  readonly learns?: boolean;
}

/** Parts of the protocol in which a test makes a mistake. */
export interface BrokenProtocol {
  /** The engine's function. */
  readonly sync?: ModelFunction;
  /** What the gate is told about its leases. */
  readonly budget?: (leases: SlotLeases, clock: Clock) => SlotBudget;
  /** Whether calls go on when their leases have lapsed. */
  readonly keepsLapsed?: boolean;
}

/** How long a server works on a call whose client has closed. */
const GHOST_MS = 40;
/** Time from the start of a call to its deadline. */
const DEADLINE_MS = 4_000;

/** Several nodes, each with the real gate and leases, a model of the engine, and one model server that counts its calls. */
export class LeaseSim {
  readonly clock = new VirtualClock();
  readonly model: EngineModel;
  readonly nodes: readonly SimNode[];
  readonly server = new CountingServer();
  readonly settings: LeaseSimSettings;
  latencyMs = 0;
  /** The engine stands still until then: what arrives is done afterwards. */
  stillUntilMs = 0;
  /** Called after every step. */
  check: () => void = () => {};

  constructor(settings: LeaseSimSettings) {
    this.settings = settings;
    const random = forkRandom(settings.seed, 'engine');
    const names = clusterNames('sim');
    const latencyMs = () =>
      Math.max(0, this.stillUntilMs - this.clock.now()) + this.latencyMs + 0.2 + 0.8 * random.next();
    this.model = new EngineModel({ clock: this.clock, random, names, latencyMs });
    this.model.skewMs = 1_000_000_000;
    this.model.register('sync_slots', settings.broken?.sync ?? syncSlots);
    this.nodes = Array.from({ length: settings.nodes }, (_, nth) => new SimNode(this, `n${nth}`));
  }

  get busy(): number {
    return this.server.total;
  }

  /** Runs for so long, with all promises settled between any two steps. */
  async run(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    let reached = false;
    this.clock.setTimer(ms, () => {
      reached = true;
    });
    while (!reached) {
      this.clock.step(untilMs);
      await settle();
      this.check();
    }
  }
}

/** All promises that can be kept are kept. */
async function settle(): Promise<void> {
  for (let nth = 0; nth < 6; nth++) await Promise.resolve();
}

/** Counts the calls at work whose clients have not closed, by node. */
export class CountingServer {
  readonly #atWork = new Map<string, number>();
  /** Calls times milliseconds, by node. */
  readonly worked = new Map<string, number>();

  of(node: string): number {
    return this.#atWork.get(node) ?? 0;
  }

  get total(): number {
    return [...this.#atWork.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A call is at work until the returned function is called. */
  begin(node: string, nowMs: number): (endMs: number) => void {
    this.#atWork.set(node, this.of(node) + 1);
    let isOpen = true;
    return (endMs) => {
      if (!isOpen) return;
      isOpen = false;
      this.#atWork.set(node, this.of(node) - 1);
      this.worked.set(node, (this.worked.get(node) ?? 0) + endMs - nowMs);
    };
  }
}

export class SimNode {
  readonly id: string;
  readonly clock: Clock;
  readonly gate: EndpointGate;
  readonly leases: SlotLeases;
  readonly limit: AdaptiveLimit;
  /** For how long its breaker is open. */
  restMs = 0;
  /** What it was told about breakers of other nodes. */
  readonly doubts: number[] = [];
  isDead = false;
  /** The engine cannot be reached, or the node stands still. */
  isCut = false;
  isPaused = false;
  readonly #sim: LeaseSim;
  readonly #random: Random;
  readonly #closing = new Set<() => void>();
  #backlog = 0;
  #isStopped = false;
  cutCalls = 0;
  /** When the engine last answered it. */
  heardAtMs = 0;
  /** When it was last cut off or paused. */
  troubledAtMs = Number.NEGATIVE_INFINITY;
  done = 0;

  constructor(sim: LeaseSim, id: string) {
    const { settings, model } = sim;
    this.#sim = sim;
    this.id = id;
    this.#random = forkRandom(settings.seed, id);
    this.clock = model.clockOf(id, 1_000 * this.#random.next());
    this.limit = new AdaptiveLimit(64, settings.learns === true ? undefined : settings.slots);
    const { limit } = this;
    const rest = (): number => this.restMs;
    this.gate = new EndpointGate(this.clock, () => limit.now, 0);
    const shared = {
      gate: this.gate,
      get learnedSlots() {
        return limit.learned;
      },
      adoptSlots: (slots: number) => limit.adopt(slots),
      get restMs() {
        return rest();
      },
      doubt: (restMs: number) => void this.doubts.push(restMs),
    };
    const gates = new LeasedGates({ clock: this.clock, endpoints: [shared], callMs: DEADLINE_MS, lateMs: 0 });
    const { names } = model;
    this.leases = new SlotLeases({
      ...{
        engine: this.#heardFrom(model.node(id)),
        names,
        server: 'gpu',
        clock: this.clock,
        random: this.#random,
        demand: gates,
      },
    });
    gates.share(settings.broken?.budget?.(this.leases, this.clock) ?? this.leases);
  }

  /** The engine, with a note of when it last answered. */
  #heardFrom(engine: Engine): Engine {
    return {
      node: engine.node,
      get isUp() {
        return engine.isUp;
      },
      call: async (...call) => {
        const reply = await engine.call(...call);
        this.heardAtMs = this.#sim.clock.now();
        return reply;
      },
      listen: (channel, onMessage) => engine.listen(channel, onMessage),
      onChange: (listener) => engine.onChange(listener),
    };
  }

  /** The part of the slots with which it works alone. */
  get share(): number {
    return Math.max(1, Math.floor(this.#sim.settings.slots / Math.max(1, this.leases.stats().nodes)));
  }

  get atWork(): number {
    return this.#sim.server.of(this.id);
  }

  /** Keeps so many calls waiting. */
  backlog(calls: number): void {
    this.#isStopped = calls === 0;
    while (this.#backlog < calls) {
      this.#backlog++;
      this.#again();
    }
  }

  /** Asks for one call. */
  ask(lane: 'foreground' | 'background' = 'foreground', patienceMs = DEADLINE_MS): void {
    const leaves = new AbortController();
    const deadlineMs = this.clock.now() + patienceMs;
    const patience = this.clock.setTimer(patienceMs, () => leaves.abort());
    const need = { model: 'm', kind: 'text', deadlineMs: deadlineMs + DEADLINE_MS } as const;
    void Promise.resolve(this.gate.acquire(leaves.signal, { lane, rankMs: deadlineMs, need })).then((slot) => {
      patience.cancel();
      if (slot !== undefined) this.#begin(slot, () => {});
    });
  }

  kill(): void {
    this.isDead = true;
    this.#sim.model.kill(this.id);
    for (const close of [...this.#closing]) close();
  }

  pause(): void {
    this.isPaused = true;
    this.#sim.model.pause(this.id);
  }

  resume(): void {
    this.isPaused = false;
    this.troubledAtMs = this.#sim.clock.now();
    this.#sim.model.resume(this.id);
  }

  /** Half-open, or with both sides notified. */
  cut(isHalfOpen: boolean): void {
    this.isCut = true;
    const { model } = this.#sim;
    model.cut(this.id);
    if (!isHalfOpen) model.node(this.id).dropped();
  }

  heal(): void {
    this.isCut = false;
    this.troubledAtMs = this.#sim.clock.now();
    this.#sim.model.heal(this.id);
  }

  #again(): void {
    if (this.#isStopped || this.isDead) {
      this.#backlog--;
      return;
    }
    const need = { model: 'm', kind: 'text', deadlineMs: this.clock.now() + DEADLINE_MS } as const;
    void Promise.resolve(this.gate.acquire(new AbortController().signal, { need })).then((slot) => {
      if (slot !== undefined) this.#begin(slot, () => this.#again());
    });
  }

  /** A call: at work at the server until it is done or its client closes. */
  #begin(slot: Slot, then: () => void): void {
    const { clock, server, settings } = this.#sim;
    const close = server.begin(this.id, clock.now());
    const callMs = settings.callMs?.(this.#random) ?? 50 + 100 * this.#random.next();
    let isOver = false;
    const end = (holdMs: number): void => {
      if (isOver) return;
      isOver = true;
      this.#closing.delete(closed);
      slot.release(holdMs);
      then();
    };
    const closed = (): void => close(clock.now());
    this.#closing.add(closed);
    // The server's own time: it goes on while the node stands still.
    clock.setTimer(callMs, () => {
      closed();
      this.done++;
      this.clock.setTimer(0, () => end(0));
    });
    slot.cut = () => {
      if (settings.broken?.keepsLapsed === true) return;
      this.cutCalls++;
      closed();
      end(GHOST_MS);
    };
  }
}

/** Jain's index: 1 if all have the same. */
export function jain(figures: readonly number[]): number {
  const total = figures.reduce((sum, x) => sum + x, 0);
  return total ** 2 / (figures.length * figures.reduce((sum, x) => sum + x * x, 0));
}
