import type { ExpertRunner } from '../../src/main/models/pool/expert-pool.ts';
import type { EndpointClient } from '../../src/main/service/create-planner.ts';
import { stateOf } from './crowd.ts';
import type { Findings } from './findings.ts';
import type { VirtualClock } from './virtual-clock.ts';

interface Open {
  readonly endpoint: string;
  /** Of an expert's call. */
  readonly flight: number | undefined;
  readonly state: string;
  readonly signal: AbortSignal | undefined;
  readonly beganAtMs: number;
}

/** The states of which models are asked now, for whom, and how often: written down where calls leave the planner. */
export class CallBook {
  readonly #findings: Findings;
  readonly #clock: VirtualClock;
  readonly #open = new Set<Open>();
  readonly #probes = new Set<Open>();
  /** Of each state, what experts have voted for; and what syntheses that answered were shown. */
  readonly #voted = new Map<string, Set<string>>();
  readonly #shown: Set<string> = new Set();
  /** Calls of the background begun since the start. */
  inBackground = 0;
  /** Calls begun since the start, without probes. */
  made = 0;
  /** Changes with every call that begins or ends. */
  version = 0;

  constructor(findings: Findings, clock: VirtualClock) {
    this.#findings = findings;
    this.#clock = clock;
  }

  get running(): number {
    return this.#open.size;
  }

  /** Probes included. */
  runningAt(endpoint: string): number {
    let running = 0;
    for (const open of [...this.#open, ...this.#probes]) if (open.endpoint === endpoint) running++;
    return running;
  }

  /** Flights that are wanted, by the state they are for; background flights have negative numbers. */
  *wanted(): Generator<{ readonly flight: number; readonly state: string }> {
    for (const { flight, state, signal } of this.#open) {
      if (flight !== undefined && signal?.aborted !== true) yield { flight, state };
    }
  }

  /** Whether an expert has voted for an action in a state, whoever had tried what there; or a synthesis may have. */
  wasVoted(state: string, action: string): boolean {
    const place = new RegExp(`${/^place \d+/.exec(state)?.[0]}\\b`);
    for (const text of this.#shown) if (place.test(text) && text.includes(action)) return true;
    for (const [asked, actions] of this.#voted) if (asked.startsWith(state) && actions.has(action)) return true;
    return false;
  }

  /** Calls that began before a moment, and are wanted still, of those that somebody waited for once. */
  olderThan(atMs: number): number {
    let count = 0;
    for (const { flight, signal, beganAtMs } of this.#open)
      if (flight !== undefined && flight >= 0 && signal?.aborted !== true && beganAtMs < atMs) count++;
    return count;
  }

  #note(state: string, action: string): void {
    this.#voted.set(state, (this.#voted.get(state) ?? new Set()).add(action));
  }

  pool(inner: ExpertRunner): ExpertRunner {
    return {
      run: (task, signal, listeners) => {
        const open: Open = {
          endpoint: task.endpoint,
          flight: task.planId,
          state: stateOf(task.situation),
          signal,
          beganAtMs: this.#clock.now(),
        };
        if (task.planId < 0) this.inBackground++;
        return this.#write(open, `${task.planId} ${task.role} ${task.model}`, task.timeoutMs, async () => {
          const result = await inner.run(task, signal, {
            ...listeners,
            onChoice: (action) => {
              if (action !== undefined) this.#note(open.state, action);
              listeners?.onChoice?.(action);
            },
          });
          if (result.ok) this.#note(open.state, result.vote.action);
          return [result, result.ok ? result.vote.action : result.error.code];
        });
      },
      stats: () => inner.stats(),
      close: () => inner.close(),
    };
  }

  client(name: string, inner: EndpointClient): EndpointClient {
    return {
      chat: (call, signal) => {
        const open: Open = { endpoint: name, flight: undefined, state: '', signal, beganAtMs: this.#clock.now() };
        // A call for what a server can do, or whether it is well: its answer is of one token, and is nobody's vote.
        if (call.schema?.name === 'probe' || call.maxTokens === 1)
          return this.#probe(open, () => inner.chat(call, signal));
        return this.#write(open, `synthesis ${call.model}`, call.timeoutMs, async () => {
          const outcome = await inner.chat(call, signal);
          if (outcome.ok) this.#shown.add(JSON.stringify(call.messages));
          return [outcome, outcome.ok ? 'answered' : outcome.failure.code];
        });
      },
      listModels: (timeoutMs) => inner.listModels(timeoutMs),
      ...(inner.getJson && { getJson: inner.getJson.bind(inner) }),
      close: () => inner.close(),
    };
  }

  /** Takes a slot and is counted nowhere. */
  async #probe<T>(open: Open, run: () => Promise<T>): Promise<T> {
    this.version++;
    this.#probes.add(open);
    try {
      return await run();
    } finally {
      this.version++;
      this.#probes.delete(open);
    }
  }

  async #write<T>(open: Open, what: string, timeoutMs: number, run: () => Promise<[T, string]>): Promise<T> {
    const findings = this.#findings;
    findings.claim(timeoutMs > 0 && timeoutMs <= 60_000, `a call has a time limit, got ${timeoutMs}`);
    findings.claim(open.signal?.aborted !== true, 'no call begins for whom nobody waits');
    this.made++;
    this.version++;
    this.#open.add(open);
    findings.note(`call ${open.endpoint} ${what}`);
    try {
      const [result, end] = await run();
      findings.note(`ended ${open.endpoint} ${what} ${end}`);
      return result;
    } finally {
      this.version++;
      this.#open.delete(open);
    }
  }
}
