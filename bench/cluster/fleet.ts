import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { PlannerOptions } from '../../src/main/index.ts';
import { forkRandom } from '../../src/shared/random.ts';
import { FaultyProxy } from '../../test/support/faulty-proxy.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { CountingServer } from './counting-server.ts';
import type { NodeCommand, NodeReply, NodeTally } from './node-process.ts';

/** Slots of the one model server. */
export const SLOTS = 4;
const ROLES = ['visual_perception', 'spatial_reasoning', 'threat_assessment', 'opportunity_detection'];

export interface FleetOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly serviceMs: number;
  readonly planner?: Partial<Omit<PlannerOptions, 'domain' | 'endpoints'>>;
}

type Asking<C = NodeCommand> = C extends { readonly id: number } ? Omit<C, 'id'> : never;

/** A node: a process that can be killed and paused, and its way to the engine, which can be disturbed. */
export class FleetNode {
  readonly name: string;
  readonly proxy: FaultyProxy;
  readonly #options: Omit<PlannerOptions, 'domain'>;
  #child: ChildProcess | undefined;
  #nextId = 1;
  isPaused = false;
  isUp = false;

  constructor(name: string, proxy: FaultyProxy, options: Omit<PlannerOptions, 'domain'>) {
    this.name = name;
    this.proxy = proxy;
    this.#options = options;
  }

  async start(): Promise<void> {
    const child = fork(new URL('node-process.ts', import.meta.url), [], { execArgv: [] });
    this.#child = child;
    child.setMaxListeners(0);
    this.tell({ kind: 'open', options: this.#options, name: this.name });
    const [first] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if ((first as NodeReply | undefined)?.kind !== 'ready') throw new Error(`node ${this.name} did not start`);
    this.isUp = true;
  }

  tell(command: NodeCommand): void {
    if (this.#child?.connected) this.#child.send(command);
  }

  /** Undefined if the node ends before it answers. */
  ask<T>(command: Asking): Promise<T | undefined> {
    const child = this.#child as ChildProcess;
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    const onMessage = (reply: NodeReply): void => {
      if (reply.kind === 'reply' && reply.id === id) end(reply.value as T);
    };
    const onExit = (): void => end(undefined);
    const end = (value: T | undefined): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(value);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    if (!child.connected) end(undefined);
    else child.send({ ...command, id });
    return promise;
  }

  tally(): Promise<NodeTally | undefined> {
    return this.ask({ kind: 'tally' });
  }

  async kill(): Promise<void> {
    const child = this.#child as ChildProcess;
    this.isUp = false;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  pause(): void {
    this.isPaused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
    this.isPaused = false;
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    if (this.isPaused) this.resume();
    this.tell({ kind: 'close' });
    const hurry = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(hurry);
  }
}

/** Real nodes before one model server, with a real engine between them. */
export class Fleet implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly server: CountingServer;
  readonly nodes: readonly FleetNode[];

  private constructor(redis: RedisServer, server: CountingServer, nodes: readonly FleetNode[]) {
    this.redis = redis;
    this.server = server;
    this.nodes = nodes;
  }

  static async open({ nodes: count, seed, serviceMs, planner = {} }: FleetOptions): Promise<Fleet> {
    const redis = await startRedis();
    const server = await CountingServer.open(forkRandom(seed, 'server'), serviceMs);
    const nodes: FleetNode[] = [];
    for (let index = 0; index < count; index++) {
      const name = `n${index}`;
      const proxy = await FaultyProxy.open(redis.port);
      nodes.push(
        new FleetNode(name, proxy, {
          endpoints: { gpu: { baseURL: server.baseURL, slots: SLOTS, headers: { 'x-node': name } } },
          experts: ROLES.map((role) => ({ role, model: 'm' })),
          synthesis: { models: [] },
          answers: 'write',
          workers: { threads: 1 },
          startTimeoutMs: 20_000,
          cache: { entries: 50_000, checkShare: 0, refreshAhead: false, similar: false },
          cluster: { url: `redis://127.0.0.1:${proxy.port}` },
          ...planner,
        } as Omit<PlannerOptions, 'domain'>),
      );
    }
    const fleet = new Fleet(redis, server, nodes);
    await Promise.all(nodes.map((node) => node.start()));
    return fleet;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.all(this.nodes.map((node) => node.proxy[Symbol.asyncDispose]()));
    this.server.close();
    await this.redis.stop();
  }
}

export const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
