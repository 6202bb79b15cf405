import type { CallBounds, ClusterNames, Engine, EngineReply } from '../../../src/main/cluster/engine/engine.ts';
import type { Clock, Timer } from '../../../src/shared/clock.ts';
import { PlannerError } from '../../../src/shared/errors.ts';
import type { Random } from '../../../src/shared/random.ts';

/** What a modelled function may do, at one moment of the engine. */
export interface ModelContext {
  /** The engine's clock. */
  readonly nowMs: number;
  /** Returns the value of a key that has not expired. */
  get<T>(key: string): T | undefined;
  set(key: string, value: unknown, ttlMs?: number): void;
  delete(key: string): void;
  /** Time left of a key, in milliseconds; Infinity if it does not expire. */
  ttlMs(key: string): number;
  publish(channel: string, message: Buffer): void;
  isPresent(channel: string): boolean;
}

export type ModelFunction = (keys: readonly string[], args: readonly Buffer[], context: ModelContext) => EngineReply;

export interface EngineModelParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly names: ClusterNames;
  /** Time of one way between a node and the engine, in milliseconds. Default 0.2 to 1. */
  readonly latencyMs?: () => number;
}

const CALL_MS = 250;
/** As in the real engine: silence, and the pause before connecting again. */
const SILENCE_MS = 500;
const PAUSE_MS = { min: 50, max: 400 };

/**
 * A model of the engine and of the network to it, in the time of a clock. Functions of the library are modelled in JavaScript and held
 * against the real ones by conformance tests. Messages of one connection keep their order.
 */
export class EngineModel {
  readonly clock: Clock;
  readonly random: Random;
  readonly names: ClusterNames;
  readonly latencyMs: () => number;
  /** How far the engine's clock is ahead of the tests' one. */
  skewMs = 0;
  isRunning = true;
  /** Calls that reached the engine, by function. */
  readonly calls = new Map<string, number>();
  readonly #functions = new Map<string, ModelFunction>();
  readonly #keys = new Map<string, { readonly value: unknown; readonly expiresAtMs: number }>();
  readonly #nodes = new Map<string, ModelNode>();

  constructor({ clock, random, names, latencyMs = () => 0.2 + 0.8 * random.next() }: EngineModelParts) {
    this.clock = clock;
    this.random = random;
    this.names = names;
    this.latencyMs = latencyMs;
  }

  register(name: string, fn: ModelFunction): void {
    this.#functions.set(name, fn);
  }

  /** The engine as a node sees it; connected at once. `clockOf` is the clock that this node is to use. */
  node(id: string): ModelNode {
    const node = this.#nodes.get(id) ?? new ModelNode(this, id);
    this.#nodes.set(id, node);
    return node;
  }

  /** The clock of a node: its timers stand still while it is paused. `originMs` shifts the origin of its steady clock. */
  clockOf(id: string, originMs = 0): Clock {
    return new NodeClock(this.clock, this.node(id), originMs);
  }

  /** Half-open: nothing gets through, and the engine still counts the node as present. */
  cut(id: string): void {
    this.node(id).isCut = true;
    this.node(id).noticeSilence();
  }

  heal(id: string): void {
    this.node(id).isCut = false;
    this.node(id).connectLater();
  }

  /** SIGSTOP: what arrives waits, and the engine still counts the node as present. */
  pause(id: string): void {
    this.node(id).isPaused = true;
  }

  resume(id: string): void {
    this.node(id).resume();
  }

  /** SIGKILL: for good. */
  kill(id: string): void {
    this.node(id).die();
  }

  stopEngine(): void {
    this.isRunning = false;
    for (const node of this.#nodes.values()) node.dropped();
  }

  startEngine(): void {
    this.isRunning = true;
    for (const node of this.#nodes.values()) node.connectLater();
  }

  /** Returns a failover to a replica that has what the engine has now, and nothing later. */
  replica(): () => void {
    const kept = new Map(this.#keys);
    return () => {
      this.stopEngine();
      this.#keys.clear();
      for (const [key, value] of kept) this.#keys.set(key, value);
      this.startEngine();
    };
  }

  restartEmpty(): void {
    this.stopEngine();
    this.#keys.clear();
    this.startEngine();
  }

  /** Runs a function now. For the nodes, and for tests that look into the engine. */
  run(name: string, keys: readonly string[], args: readonly (string | Buffer)[]): EngineReply {
    const fn = this.#functions.get(name);
    if (fn === undefined) throw new PlannerError('ERR_CLUSTER_REFUSED', `no function ${name}`);
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    return fn(
      keys,
      args.map((arg) => Buffer.from(arg as string)),
      this.#context(),
    );
  }

  get engineNowMs(): number {
    return Math.floor(this.clock.now() + this.skewMs);
  }

  #context(): ModelContext {
    const nowMs = this.engineNowMs;
    const live = (key: string) => {
      const held = this.#keys.get(key);
      if (held !== undefined && held.expiresAtMs <= this.clock.now()) this.#keys.delete(key);
      return this.#keys.get(key);
    };
    return {
      nowMs,
      get: <T>(key: string) => live(key)?.value as T | undefined,
      set: (key, value, ttlMs = Number.POSITIVE_INFINITY) =>
        void this.#keys.set(key, { value, expiresAtMs: this.clock.now() + ttlMs }),
      delete: (key) => void this.#keys.delete(key),
      ttlMs: (key) => (live(key)?.expiresAtMs ?? 0) - this.clock.now(),
      publish: (channel, message) => {
        for (const node of this.#nodes.values()) node.push(channel, Buffer.from(message));
      },
      isPresent: (channel) =>
        [...this.#nodes.values()].some((node) => node.isPresent && this.names.presence(node.node) === channel),
    };
  }
}

class ModelNode implements Engine {
  readonly node: string;
  readonly #model: EngineModel;
  readonly #channels = new Map<string, Set<(message: Buffer) => void>>();
  readonly #listeners = new Set<(isUp: boolean) => void>();
  isUp = true;
  isCut = false;
  isPaused = false;
  /** Whether the engine counts it as connected. */
  isPresent = true;
  #isDead = false;
  #life = 0;
  #toEngineMs = 0;
  #toNodeMs = 0;
  #pushedMs = 0;
  #held: (() => void)[] = [];

  constructor(model: EngineModel, id: string) {
    this.#model = model;
    this.node = id;
  }

  call(
    fn: string,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
    { timeoutMs = CALL_MS }: CallBounds = {},
  ): Promise<EngineReply> {
    const { clock } = this.#model;
    if (!this.isUp || this.#isDead) return Promise.reject(away('away'));
    const { promise, resolve, reject } = Promise.withResolvers<EngineReply>();
    const life = this.#life;
    const fail = (why: string): void => reject(away(why));
    const timer = clock.setTimer(timeoutMs, () => this.whenAwake(() => fail(`no answer within ${timeoutMs} ms`)));
    this.#lost.add(fail);
    this.#toEngineMs = Math.max(this.#toEngineMs, clock.now() + this.#model.latencyMs());
    clock.setTimer(this.#toEngineMs - clock.now(), () => {
      if (this.isCut || life !== this.#life || !this.#model.isRunning) return;
      const answer = this.#answer(fn, keys, args);
      this.#toNodeMs = Math.max(this.#toNodeMs, clock.now() + this.#model.latencyMs());
      clock.setTimer(this.#toNodeMs - clock.now(), () => {
        if (this.isCut || life !== this.#life) return;
        this.whenAwake(() => answer(resolve, reject));
      });
    });
    return promise.finally(() => {
      timer.cancel();
      this.#lost.delete(fail);
    });
  }

  readonly #lost = new Set<(why: string) => void>();

  #answer(fn: string, keys: readonly string[], args: readonly (string | Buffer)[]) {
    try {
      const reply = this.#model.run(fn, keys, args);
      return (resolve: (reply: EngineReply) => void, _reject: (error: Error) => void): void => resolve(reply);
    } catch (error) {
      return (_resolve: (reply: EngineReply) => void, reject: (error: Error) => void): void => reject(error as Error);
    }
  }

  listen(channel: string, onMessage: (message: Buffer) => void): () => void {
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(onMessage));
    return () => void listeners.delete(onMessage);
  }

  onChange(listener: (isUp: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  // For the model ---------------------------------------------------------------------------------------------------

  push(channel: string, message: Buffer): void {
    const listeners = this.#channels.get(channel);
    if (listeners === undefined || !this.isPresent || this.isCut) return;
    const { clock } = this.#model;
    const life = this.#life;
    this.#pushedMs = Math.max(this.#pushedMs, clock.now() + this.#model.latencyMs());
    clock.setTimer(this.#pushedMs - clock.now(), () => {
      if (this.isCut || life !== this.#life) return;
      this.whenAwake(() => {
        for (const listener of [...listeners]) listener(message);
      });
    });
  }

  /** Does something now, or when the node is resumed. */
  whenAwake(run: () => void): void {
    if (this.#isDead) return;
    if (this.isPaused) this.#held.push(run);
    else run();
  }

  resume(): void {
    this.isPaused = false;
    for (const run of this.#held.splice(0)) this.whenAwake(run);
  }

  noticeSilence(): void {
    const life = this.#life;
    this.#model.clock.setTimer(SILENCE_MS, () => {
      if (this.isCut && life === this.#life) this.whenAwake(() => this.#goAway());
    });
  }

  /** The connection has ended, and both sides know it. */
  dropped(): void {
    this.isPresent = false;
    this.whenAwake(() => this.#goAway());
  }

  die(): void {
    this.isPresent = false;
    this.#life++;
    this.isUp = false;
    this.#isDead = true;
  }

  connectLater(): void {
    if (this.#isDead) return;
    const { clock, random } = this.#model;
    clock.setTimer(PAUSE_MS.min + random.next() * (PAUSE_MS.max - PAUSE_MS.min), () =>
      this.whenAwake(() => this.#connect()),
    );
  }

  #connect(): void {
    if (this.isUp && this.isPresent) return;
    if (this.isCut || !this.#model.isRunning) return;
    this.#life++;
    this.isPresent = true;
    this.isUp = true;
    for (const listener of [...this.#listeners]) listener(true);
  }

  #goAway(): void {
    if (!this.isUp) return;
    this.#life++;
    this.isUp = false;
    for (const fail of [...this.#lost]) fail('lost');
    for (const listener of [...this.#listeners]) listener(false);
  }
}

export type { ModelNode };

class NodeClock implements Clock {
  readonly #clock: Clock;
  readonly #node: ModelNode;
  readonly #originMs: number;

  constructor(clock: Clock, node: ModelNode, originMs: number) {
    this.#clock = clock;
    this.#node = node;
    this.#originMs = originMs;
  }

  now(): number {
    return this.#clock.now() + this.#originMs;
  }

  wallNow(): number {
    return this.#clock.wallNow() + this.#originMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    let isCancelled = false;
    const timer = this.#clock.setTimer(delayMs, () => this.#node.whenAwake(() => void (isCancelled || fire())));
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  nextTurn(fire: () => void): void {
    this.#clock.nextTurn(() => this.#node.whenAwake(fire));
  }
}

function away(why: string): PlannerError {
  return new PlannerError('ERR_CLUSTER_AWAY', `the engine is away: ${why}`, { retryable: true });
}
