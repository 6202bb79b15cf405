/** Runs the work of several agents: one item of an agent at a time, in order, different agents at once. The agent that has waited longest is next. */
export class AgentLanes<T> {
  /** Agents with an item that may start, longest-waiting first. */
  readonly #ready: { readonly agent: string; readonly item: T }[] = [];
  /** Items that wait behind the running one of their agent. The keys are agents with a ready or running item. */
  readonly #behind = new Map<string, T[]>();

  push(agent: string, item: T): void {
    const lane = this.#behind.get(agent);
    if (lane !== undefined) {
      lane.push(item);
      return;
    }
    this.#behind.set(agent, []);
    this.#ready.push({ agent, item });
  }

  /** The next item that may start. The caller must call `finish` later. */
  take(): T | undefined {
    return this.#ready.shift()?.item;
  }

  /** The running item of `agent` has ended: its next one may start. */
  finish(agent: string): void {
    const item = this.#behind.get(agent)?.shift();
    if (item === undefined) this.#behind.delete(agent);
    else this.#ready.push({ agent, item });
  }

  /** Drops and returns everything that has not started. */
  clear(): T[] {
    const dropped = [...this.#ready.splice(0).map(({ item }) => item), ...[...this.#behind.values()].flat()];
    for (const lane of this.#behind.values()) lane.length = 0;
    return dropped;
  }
}
