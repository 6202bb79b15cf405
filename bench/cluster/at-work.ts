import type { CountingServer } from './counting-server.ts';

/** Whether the engine is up, and how many nodes are cut off or paused. */
export interface Circumstances {
  readonly engineUp: boolean;
  readonly astray: number;
}

/** Maximum number of happenings that are told. */
const NOTED_MAX = 8;

/**
 * What the server has at work against what it may have: its slots and one for each node that is cut off or paused while the
 * engine is up, and without it one for each node if those are more than the slots. Circumstances count from their beginning, and for a
 * while after their end: a lease lives on for as long.
 */
export class AtWork {
  readonly #slots: number;
  readonly #nodes: number;
  readonly #server: CountingServer;
  readonly #now: () => Circumstances;
  /** Circumstances that still count: what was allowed until a moment. */
  #lasting: { untilMs: number; allowed: number }[] = [];
  /** The most at work with all nodes and the engine well. */
  mostWell = 0;
  /** The most at work beyond what was allowed for nodes and engine at that moment, and the slots. */
  most = 0;
  mostWithout = 0;
  /** Changes at which more was at work than allowed: whose calls those were, and what happened before. */
  readonly over: string[] = [];
  /** What happened lately. */
  readonly #noted: { readonly atMs: number; readonly what: string }[] = [];

  constructor(server: CountingServer, slots: number, nodes: number, now: () => Circumstances) {
    this.#server = server;
    this.#slots = slots;
    this.#nodes = nodes;
    this.#now = now;
    server.onChange = () => this.#look();
  }

  /** What is allowed now counts for a while, though its cause has ended. */
  keep(ms: number): void {
    this.#lasting.push({ untilMs: performance.now() + ms, allowed: this.#allowedNow() });
  }

  /** Something happened that may be the cause of what follows. */
  note(what: string): void {
    this.#noted.push({ atMs: performance.now(), what });
    if (this.#noted.length > NOTED_MAX) this.#noted.shift();
  }

  #allowedNow(): number {
    const { engineUp, astray } = this.#now();
    return engineUp ? this.#slots + astray : Math.max(this.#slots, this.#nodes) + astray;
  }

  #look(): void {
    const nowMs = performance.now();
    this.#lasting = this.#lasting.filter(({ untilMs }) => untilMs > nowMs);
    const { busy } = this.#server;
    const allowed = Math.max(this.#allowedNow(), ...this.#lasting.map((each) => each.allowed));
    // What is beyond the slots only because of a fault does not count against the slots.
    const beyond = this.#slots + Math.max(0, busy - allowed);
    this.most = Math.max(this.most, Math.min(busy, beyond));
    const { engineUp, astray } = this.#now();
    if (engineUp && astray === 0 && this.#lasting.length === 0) this.mostWell = Math.max(this.mostWell, busy);
    if (!engineUp) this.mostWithout = Math.max(this.mostWithout, busy);
    if (busy > allowed) this.over.push(this.#account(busy, allowed, nowMs));
  }

  #account(busy: number, allowed: number, nowMs: number): string {
    const whose = [...this.#server.atWork].filter(([, calls]) => calls > 0).map((each) => each.join(' '));
    const before = this.#noted.map(({ atMs, what }) => `${what} ${Math.round(nowMs - atMs)} ms before`);
    return `${busy} of ${allowed} at ${Math.round(nowMs)} ms: ${whose.join(', ')}; ${before.join(', ')}`;
  }
}
