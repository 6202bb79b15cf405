import type { ExpertRunner } from '../../src/main/experts/expert-pool.ts';
import type { EndpointClient } from '../../src/main/planner/create-planner.ts';
import { stateOf } from './crowd.ts';
import type { Findings } from './findings.ts';

interface Open {
  readonly endpoint: string;
  /** Of an expert's call. */
  readonly flight: number | undefined;
  readonly state: string;
  readonly signal: AbortSignal | undefined;
}

/** The states of which models are asked now, for whom, and how often: written down where calls leave the planner. */
export class CallBook {
  readonly #findings: Findings;
  readonly #open = new Set<Open>();
  readonly #probes = new Set<Open>();
  /** Calls begun since the start, without probes. */
  made = 0;
  /** Changes with every call that begins or ends. */
  version = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
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

  pool(inner: ExpertRunner): ExpertRunner {
    return {
      run: (task, signal, listeners) => {
        const open: Open = {
          endpoint: task.endpoint,
          flight: task.planId,
          state: stateOf(task.situation),
          signal,
        };
        return this.#write(open, `${task.planId} ${task.role} ${task.model}`, task.timeoutMs, async () => {
          const result = await inner.run(task, signal, listeners);
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
        const open: Open = { endpoint: name, flight: undefined, state: '', signal };
        if (call.schema?.name === 'probe') return this.#probe(open, () => inner.chat(call, signal));
        return this.#write(open, `synthesis ${call.model}`, call.timeoutMs, async () => {
          const outcome = await inner.chat(call, signal);
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
