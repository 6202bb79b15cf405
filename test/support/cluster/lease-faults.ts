import { forkRandom, pick, type Random, randomIndex } from '../../../src/shared/random.ts';
import { type BrokenProtocol, LeaseSim, type SimNode } from './lease-sim.ts';

export interface FaultRun {
  readonly seed: number;
  readonly faults: number;
  readonly broken?: BrokenProtocol;
}

export interface FaultFigures {
  readonly nodes: number;
  readonly slots: number;
  readonly mostAtWork: number;
  /** The most calls above the number of slots while the engine was up, and above one more for each node that it could not reach. */
  readonly mostOver: number;
  readonly mostBeyondOneEach: number;
  readonly done: number;
  readonly cutCalls: number;
  readonly sheds: number;
  readonly reports: number;
  readonly seconds: number;
}

/** After a fault, slots may stay unused for this long. */
const RECOVERY_MS = 3_500;
/** Otherwise a free slot that a call waits for is used within this time. */
const IDLE_MS_MAX = 350;
/** The slowest way between a node and an engine that is slow. */
const SLOW_MS = 300;

/**
 * Nodes, the network and the engine fail as the seed says, while the load of each node changes. After every step the calls at work are
 * compared with what the protocol allows, and slots that stay free although calls wait are an error.
 */
export async function runFaults({ seed, faults, broken }: FaultRun): Promise<FaultFigures> {
  const random = forkRandom(seed, 'faults');
  const slots = pick(random, [1, 3, 4, 4, 6]);
  const nodes = pick(random, [2, 3, 4, 4, 5]);
  const longMs = pick(random, [60, 300, 1_200, 3_500]);
  const callMs = (of: Random): number => 10 + longMs * of.next();
  const sim = new LeaseSim({ seed, nodes, slots, callMs, ...(broken && { broken }) });
  const watch = new Watch(sim);
  sim.check = () => watch.check();
  await sim.run(1_500);
  for (let nth = 0; nth < faults; nth++) {
    load(sim, random);
    await sim.run(300 + 2_500 * random.next());
    const end = fault(sim, watch, random);
    load(sim, random);
    await sim.run(200 + 4_000 * random.next());
    // Sometimes the next fault comes before the end of this one.
    if (random.next() < 0.8) end();
    else watch.pending.push(end);
    if (random.next() < 0.5) for (const ended of watch.pending.splice(0)) ended();
  }
  for (const ended of watch.pending.splice(0)) ended();
  for (const node of sim.nodes) if (!node.isDead) node.backlog(4);
  await sim.run(6_000);
  return watch.figures();
}

function load(sim: LeaseSim, random: Random): void {
  for (const node of sim.nodes) {
    if (node.isDead) continue;
    node.backlog(pick(random, [0, 0, 1, 2, 6]));
    for (let nth = randomIndex(random, 4); nth > 0; nth--) {
      const lane = random.next() < 0.3 ? 'background' : 'foreground';
      sim.clock.setTimer(1_000 * random.next(), () => node.isDead || node.isPaused || node.ask(lane));
    }
  }
}

/** Returns what ends it. */
function fault(sim: LeaseSim, watch: Watch, random: Random): () => void {
  const well = sim.nodes.filter(({ isDead, isCut, isPaused }) => !isDead && !isCut && !isPaused);
  const node = well.length === 0 ? undefined : pick(random, well);
  const kind = pick(random, [
    'kill',
    'pause',
    'pause',
    'cut',
    'cut',
    'reset',
    'stop',
    'empty',
    'still',
    'slow',
  ] as const);
  watch.faulted();
  watch.events.push(`${Math.round(sim.clock.now())} ${kind} ${node?.id}`);
  if (node !== undefined && kind === 'kill' && sim.nodes.filter(({ isDead }) => !isDead).length > 2) {
    node.kill();
  } else if (node !== undefined && kind === 'pause') {
    watch.paused(node);
    node.pause();
    return () => node.resume();
  } else if (node !== undefined && (kind === 'cut' || kind === 'reset')) {
    node.cut(kind === 'cut');
    return () => node.heal();
  } else if (kind === 'stop' || kind === 'empty') {
    if (kind === 'empty') watch.forgets();
    watch.away(true);
    if (kind === 'empty') sim.model.restartEmpty();
    sim.model.stopEngine();
    return () => {
      sim.model.startEngine();
      watch.away(false);
    };
  } else if (kind === 'still') {
    watch.away(true);
    const stillMs = 200 + 3_000 * random.next();
    sim.stillUntilMs = sim.clock.now() + stillMs;
    sim.clock.setTimer(stillMs, () => watch.away(false));
  } else if (kind === 'slow') {
    watch.slow(true);
    sim.latencyMs = SLOW_MS * random.next();
    return () => {
      sim.latencyMs = 0;
      watch.slow(false);
    };
  }
  return () => {};
}

/** Holds what the server sees against what the protocol allows. */
class Watch {
  readonly pending: (() => void)[] = [];
  /** The faults, for the message of an error. */
  readonly events: string[] = [];
  readonly #sim: LeaseSim;
  #away = 0;
  /** Until all nodes have been answered again. */
  #isSlow = false;
  #awayUntilMs = Number.NEGATIVE_INFINITY;
  #faultedAtMs = 0;
  #idleSinceMs: number | undefined;
  /** Nodes of which the engine may know nothing, with calls at work. */
  readonly #forgotten = new Set<SimNode>();
  /** Nodes that the engine could not reach, until it has heard all nodes: those that it reaches again may not know of each other. */
  readonly #strayed = new Set<SimNode>();
  #mostAtWork = 0;
  #mostOver = 0;
  #mostBeyondOneEach = 0;

  constructor(sim: LeaseSim) {
    this.#sim = sim;
  }

  faulted(): void {
    this.#faultedAtMs = this.#sim.clock.now();
  }

  away(isAway: boolean): void {
    this.#away += isAway ? 1 : -1;
    this.#awayUntilMs = this.#sim.clock.now();
    this.faulted();
  }

  /** If the engine knew nothing of its calls before, it does not either while the node stands still. */
  paused(node: SimNode): void {
    if (node.heardAtMs <= node.troubledAtMs || this.#isAway()) this.#forgotten.add(node);
  }

  /** Nodes that wait in vain for answers count as cut off. */
  slow(isSlow: boolean): void {
    this.#isSlow ||= isSlow;
    this.away(isSlow);
  }

  /** The engine loses its memory: it cannot know what nodes that it does not hear have at work. */
  forgets(): void {
    for (const node of this.#alive) if (node.isPaused || node.isCut) this.#forgotten.add(node);
  }

  check(): void {
    const { busy, clock, settings } = this.#sim;
    this.#mostAtWork = Math.max(this.#mostAtWork, busy);
    const isAway = this.#isAway();
    if (!isAway) this.#isSlow = false;
    if (!isAway) this.#mostOver = Math.max(this.#mostOver, busy - settings.slots);
    const lost = this.#alive.filter((node) => this.#isLost(node)).length;
    if (!isAway) this.#mostBeyondOneEach = Math.max(this.#mostBeyondOneEach, busy - settings.slots - lost);
    const allowed = this.#allowed(isAway);
    if (busy > allowed) throw new Error(`${busy} at work at ${clock.now()} ms, ${allowed} allowed: ${this.#shown()}`);
    this.#checkUse();
  }

  figures(): FaultFigures {
    const { nodes, model, clock } = this.#sim;
    const sum = (of: (node: SimNode) => number): number => nodes.reduce((total, node) => total + of(node), 0);
    return {
      nodes: nodes.length,
      slots: this.#sim.settings.slots,
      mostAtWork: this.#mostAtWork,
      mostOver: this.#mostOver,
      mostBeyondOneEach: this.#mostBeyondOneEach,
      done: sum(({ done }) => done),
      cutCalls: sum(({ cutCalls }) => cutCalls),
      sheds: sum(({ leases }) => leases.stats().sheds),
      reports: model.calls.get('sync_slots') ?? 0,
      seconds: Math.round(clock.now() / 1_000),
    };
  }

  get #alive(): readonly SimNode[] {
    return this.#sim.nodes.filter(({ isDead }) => !isDead);
  }

  /** Whether the engine is away, or some node has not been answered since. */
  #isAway(): boolean {
    if (this.#away > 0) return true;
    return this.#alive.some((node) => !node.isCut && !node.isPaused && node.heardAtMs <= this.#awayUntilMs);
  }

  #isLost(node: SimNode): boolean {
    return node.isCut || node.isPaused || node.heardAtMs <= node.troubledAtMs;
  }

  /** What a node may have at work besides the slots that the engine counts. */
  #extra(node: SimNode, isAway: boolean): number {
    if (this.#isLost(node)) this.#strayed.add(node);
    else if (!isAway) this.#strayed.delete(node);
    if (!this.#isLost(node)) this.#forgotten.delete(node);
    if (!this.#strayed.has(node)) return 0;
    // While it stands still, its calls go on at the server.
    if (node.isPaused) return isAway || this.#forgotten.has(node) ? node.atWork : 0;
    return Math.max(node.share, this.#forgotten.has(node) ? node.atWork : 0);
  }

  #allowed(isAway: boolean): number {
    const { slots } = this.#sim.settings;
    const alive = this.#alive;
    const extra = alive.reduce((sum, node) => sum + this.#extra(node, isAway), 0);
    const alone = alive.reduce((sum, { share }) => sum + share, 0);
    return (isAway ? Math.max(slots, alone) : slots) + (this.#isSlow ? Math.max(extra, alone) : extra);
  }

  #checkUse(): void {
    const { clock, settings } = this.#sim;
    const nowMs = clock.now();
    const isTroubled = this.#isAway() || this.#alive.some(({ isCut, isPaused }) => isCut || isPaused);
    if (isTroubled) this.faulted();
    const taken = this.#alive.reduce((sum, { gate }) => sum + gate.busy, 0);
    const isIdle = taken < settings.slots && this.#alive.some(({ gate }) => gate.waiting > 0);
    if (!isIdle || nowMs - this.#faultedAtMs < RECOVERY_MS) this.#idleSinceMs = undefined;
    else this.#idleSinceMs ??= nowMs;
    if (this.#idleSinceMs !== undefined && nowMs - this.#idleSinceMs > IDLE_MS_MAX) {
      throw new Error(`a slot is free at ${nowMs} ms and calls wait: ${this.#shown()}`);
    }
  }

  #shown(): string {
    return this.#sim.nodes
      .map((node) => {
        const { mode, leases, nodes } = node.leases.stats();
        const state = [node.isDead && 'dead', node.isCut && 'cut', node.isPaused && 'paused', mode].filter(Boolean);
        const { busy, held, waiting } = node.gate;
        return `${node.id} ${state.join(' ')} ${node.atWork} at work, ${busy} busy, ${held} held, ${waiting} waiting, ${leases} leases, ${nodes} nodes`;
      })
      .join('; ')
      .concat(`; after ${this.events.slice(-8).join(', ')}`);
  }
}
