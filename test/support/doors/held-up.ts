/** How long the event loop is held up, as another client of the same process sees it, and by what. */
export class HeldUp implements Disposable {
  /** What goes on now. */
  readonly underWay = new Set<string>();
  #isOver = false;
  #turnedAt = performance.now();
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
    const nowAt = performance.now();
    const ms = nowAt - this.#turnedAt;
    this.#turnedAt = nowAt;
    if (ms <= this.#longestMs) return;
    this.#longestMs = ms;
    this.#during = [...this.underWay];
  }
}
