/**
 * Work of several agents: one thing of an agent at a time, in its order, different agents at once. Who has waited
 * longest comes first.
 */
export class AgentLanes<T> {
  /** Agents with something to do and nothing running, in the order in which they became so. */
  readonly #ready: { readonly agent: string; readonly item: T }[] = [];
  /** What waits behind the running thing of its agent. A key is an agent that has something ready or running. */
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

  /** The next thing that may start. `finish` must follow. */
  take(): T | undefined {
    return this.#ready.shift()?.item;
  }

  /** The running thing of `agent` has ended: its next one may start. */
  finish(agent: string): void {
    const item = this.#behind.get(agent)?.shift();
    if (item === undefined) this.#behind.delete(agent);
    else this.#ready.push({ agent, item });
  }

  /** Drops everything that has not started. */
  clear(): T[] {
    const dropped = [...this.#ready.splice(0).map(({ item }) => item), ...[...this.#behind.values()].flat()];
    for (const lane of this.#behind.values()) lane.length = 0;
    return dropped;
  }
}
