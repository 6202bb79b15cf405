/**
 * The engine is the server (Redis 7 or Valkey) through which the nodes of a cluster meet. Whatever several nodes decide together is
 * decided in one of its functions, atomically and with its clock. What its rooms send is small, rare and bounded in time; a plan
 * never depends on an answer.
 */

/** A value as the engine's functions return it. Strings come as bytes. */
export type EngineReply = number | Buffer | null | readonly EngineReply[];

export interface CallBounds {
  /** How long the reply may take. Default 250 ms. */
  readonly timeoutMs?: number;
}

export interface Engine {
  /** A random name for this run of the node: after a restart it is another. */
  readonly node: string;
  /** Whether commands can be sent: connected, found fit, functions loaded, and no silence noticed since. */
  readonly isUp: boolean;
  /**
   * Calls a function of the library. Rejects with ERR_CLUSTER_AWAY, immediately while the engine is not up and otherwise after
   * `timeoutMs`, or with ERR_CLUSTER_REFUSED if the engine answers with an error. Whether a call that timed out had an effect is unknown.
   */
  call(
    fn: string,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
    bounds?: CallBounds,
  ): Promise<EngineReply>;
  /**
   * Receives what any node publishes on a channel, this one included, while the engine is up; what is published meanwhile is lost.
   * Returns a function that ends it. An engine counts as up only when all channels are subscribed to.
   */
  listen(channel: string, onMessage: (message: Buffer) => void): () => void;
  /** Called each time that the engine comes up or goes away. Returns a function that ends it. */
  onChange(listener: (isUp: boolean) => void): () => void;
}

/** The names of keys, channels and functions of one cluster. */
export interface ClusterNames {
  /**
   * A key of the cluster's own. The part in braces is the same for all keys and channels of a cluster, so that an engine of several
   * shards keeps them together, as its functions need.
   */
  key(...parts: readonly string[]): string;
  /** The channel by whose subscribers the functions tell whether a node is connected. */
  presence(node: string): string;
}

/** Channels are the same in all databases of an engine, so that their names have to tell which one is meant. */
export function clusterNames(name: string, database = 0): ClusterNames {
  const tag = database === 0 ? `{conclave:${name}}` : `{conclave:${name}/${database}}`;
  return {
    key: (...parts) => [tag, ...parts].join(':'),
    presence: (node) => [tag, 'node', node].join(':'),
  };
}
