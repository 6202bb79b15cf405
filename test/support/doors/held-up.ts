let apartMs = 0;

/** What a test's own client computes: it holds up the same loop here, and no other one elsewhere. */
export function apart<T>(work: () => T): T {
  const fromMs = computedMs();
  try {
    return work();
  } finally {
    apartMs += computedMs() - fromMs;
  }
}

/**
 * How long the event loop is held up, as another client of the same process sees it, and by what: in the time that this thread computes
 * from one turn to the next, so that other processes of a busy machine do not count.
 */
export class HeldUp implements Disposable {
  /** What goes on now. */
  readonly underWay = new Set<string>();
  #isOver = false;
  #computedMs = computedMs();
  #longestMs = 0;
  #during: readonly string[] = [];

  constructor() {
    const look = (): void => {
      this.#look();
      if (!this.#isOver) setImmediate(look);
    };
    setImmediate(look);
  }

  /** The longest time since it was asked last, and what went on then. */
  take(): { readonly ms: number; readonly during: readonly string[] } {
    this.#look();
    const taken = { ms: this.#longestMs, during: this.#during };
    this.#longestMs = 0;
    return taken;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  #look(): void {
    const nowMs = computedMs();
    const ms = nowMs - this.#computedMs;
    this.#computedMs = nowMs;
    if (ms <= this.#longestMs) return;
    this.#longestMs = ms;
    this.#during = [...this.underWay];
  }
}

function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000 - apartMs;
}
