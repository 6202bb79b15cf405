import { type Clock, deadlineSignal, type Timer } from '../../../shared/clock.ts';
import { messageOf, PlannerError } from '../../../shared/errors.ts';
import type { Random } from '../../../shared/random.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import { DurationHistogram, type Durations } from '../../measure/durations.ts';
import type { CallBounds, ClusterNames, Engine, EngineReply } from './engine.ts';
import { connectionHint, type EngineFacts, examineEngine, MovedError, refusalOf } from './examine-engine.ts';
import type { FunctionLibrary } from './function-library.ts';
import { type EngineLink, type OpenLink, openRedisLink } from './redis-link.ts';

/** Time limit of a call that names none, in milliseconds. */
const CALL_MS = 250;
/** Time limit for connecting, checking and loading functions, in milliseconds. */
const OPEN_MS = 1_000;
/** The engine is away if it says nothing for this long although it was asked something, in milliseconds. */
const SILENCE_MS = 500;
/** An engine that nobody asks is asked whether it is there, at this interval in milliseconds. */
const BEAT_MS = 500;
/** Bounds of the pause before connecting again, in milliseconds. Each pause is drawn between them, so that the nodes come back spread in time. */
const PAUSE_MS = { min: 50, max: 400 };

export interface EngineStats {
  /** The address, without secrets. */
  readonly url: string;
  readonly isUp: boolean;
  /** Since when it is up or away, in milliseconds until now. */
  readonly sinceMs: number;
  /** Why it is away; undefined while it is up. */
  readonly why: string | undefined;
  /** `redis 7.0.15`; undefined until it was reached. */
  readonly version: string | undefined;
  readonly memoryPolicy: string | undefined;
  readonly calls: number;
  readonly timeouts: number;
  readonly refused: number;
  /** How often it went away. */
  readonly losses: number;
  /** Round trips of calls. */
  readonly roundTripMs: Durations;
}

export interface RedisEngineParts {
  readonly url: string;
  /** A random name of this run of the node. */
  readonly node: string;
  readonly names: ClusterNames;
  readonly library: FunctionLibrary;
  readonly clock: Clock;
  readonly random: Random;
  /** Called each time that a function is answered with an error that connecting again does not mend. */
  readonly onRefused?: (fn: string, why: string) => void;
  /** Default: a connection of the client library. */
  readonly open?: OpenLink;
}

/**
 * An engine behind the Redis protocol. It is up or away, and nothing between: a call is sent only while it is up, and every call has a
 * time limit. It is away as soon as a connection ends or nothing is heard, and then tries to connect again, for as long as it is open.
 */
export class RedisEngine implements Engine {
  readonly node: string;
  readonly #parts: RedisEngineParts;
  readonly #open: OpenLink;
  readonly #channels = new Map<string, Set<(message: Buffer) => void>>();
  readonly #listeners = new Set<(isUp: boolean) => void>();
  readonly #roundTrips = new DurationHistogram();
  /** Where the keys are, if an engine of several shards has said so. */
  #url: string;
  #link: EngineLink | undefined;
  #isUp = false;
  #isClosed = false;
  /** Ends an attempt to connect. */
  readonly #closing = new AbortController();
  #facts: EngineFacts | undefined;
  #why: string | undefined = 'not connected yet';
  #sinceMs: number;
  #heardMs = 0;
  #timer: Timer | undefined;
  #calls = 0;
  #timeouts = 0;
  #refused = 0;
  #losses = 0;

  constructor(parts: RedisEngineParts) {
    this.#parts = parts;
    this.node = parts.node;
    this.#url = parts.url;
    this.#open = parts.open ?? openRedisLink;
    this.#sinceMs = parts.clock.now();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Connects for the first time, within `timeoutMs` (default 1,000). Rejects with ERR_CLUSTER_AWAY or ERR_CLUSTER_REFUSED if that fails, and tries again by itself all the same
   * until it is closed.
   */
  async start(timeoutMs: number = OPEN_MS): Promise<void> {
    const error = await this.#connect(timeoutMs);
    if (error !== undefined) throw error;
  }

  async call(
    fn: string,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
    { timeoutMs = CALL_MS }: CallBounds = {},
  ): Promise<EngineReply> {
    const link = this.#link;
    if (!this.#isUp || link === undefined) throw this.#away(this.#why ?? 'not connected');
    const { clock, library } = this.#parts;
    const sentMs = clock.now();
    this.#calls++;
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    let isOver = false;
    // A reply that is there already counts, though the event loop was too busy to read it.
    const timer = clock.setTimer(timeoutMs, () => {
      clock.nextTurn(() => isOver || late.reject(this.#tooLate(link, sentMs, timeoutMs)));
    });
    try {
      const sent = link.send(['FCALL', library.named(fn), String(keys.length), ...keys, ...args]);
      sent.then(
        () => this.#heard(),
        () => {},
      );
      const reply = await Promise.race([sent, late.promise]);
      this.#roundTrips.record(clock.now() - sentMs);
      return reply;
    } catch (error) {
      throw this.#failed(fn, link, error);
    } finally {
      isOver = true;
      timer.cancel();
    }
  }

  listen(channel: string, onMessage: (message: Buffer) => void): () => void {
    const listeners = this.#channels.get(channel) ?? new Set();
    const isNew = listeners.size === 0;
    listeners.add(onMessage);
    this.#channels.set(channel, listeners);
    const link = this.#link;
    if (isNew && link !== undefined) this.#subscribe(link, channel).catch((error: Error) => link.onLost(error));
    return () => {
      if (!listeners.delete(onMessage) || listeners.size > 0) return;
      this.#channels.delete(channel);
      this.#link?.unsubscribe(channel);
    };
  }

  onChange(listener: (isUp: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stats(): EngineStats {
    return {
      url: shownURL(this.#parts.url),
      isUp: this.#isUp,
      sinceMs: this.#parts.clock.now() - this.#sinceMs,
      why: this.#isUp ? undefined : this.#why,
      version: this.#facts?.version,
      memoryPolicy: this.#facts?.memoryPolicy,
      calls: this.#calls,
      timeouts: this.#timeouts,
      refused: this.#refused,
      losses: this.#losses,
      roundTripMs: this.#roundTrips.summary(),
    };
  }

  /** Ends both connections. Calls reject from now on. */
  close(): void {
    this.#isClosed = true;
    this.#closing.abort(new Error('closed'));
    this.#timer?.cancel();
    this.#link?.close();
    this.#link = undefined;
    if (this.#isUp) this.#goAway('closed');
    this.#listeners.clear();
  }

  /** Returns why it failed. `isMoved`: another shard than the URL's is tried, which has the keys. */
  async #connect(timeoutMs: number = OPEN_MS, isMoved = false): Promise<PlannerError | undefined> {
    const { clock } = this.#parts;
    const limit = deadlineSignal(
      clock,
      clock.now() + timeoutMs,
      this.#closing.signal,
      new Error(`not ready within ${timeoutMs} ms`),
    );
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    limit.signal.addEventListener('abort', () => failed.reject(limit.signal.reason));
    let link: EngineLink | undefined;
    try {
      link = await this.#open(this.#url, limit.signal, clock);
      link.onLost = failed.reject;
      await Promise.race([this.#prepare(link), failed.promise]);
      if (this.#isClosed) throw new Error('closed');
      this.#comeUp(link);
      return undefined;
    } catch (thrown) {
      link?.close();
      if (this.#link === link) this.#link = undefined;
      const error = refusalOf('connecting', thrown);
      if (!(error instanceof MovedError) || isMoved || this.#isClosed) return this.#notReady(error);
      this.#url = error.follow(this.#url);
      return this.#connect(timeoutMs, true);
    } finally {
      limit.dispose();
    }
  }

  async #prepare(link: EngineLink): Promise<void> {
    const { names, library, node } = this.#parts;
    this.#facts = await examineEngine(link, library, names.key('probe', node));
    // Before the channels, so that one that is added meanwhile is subscribed to.
    this.#link = link;
    const heard = [...this.#channels.keys()].map((channel) => this.#subscribe(link, channel));
    await Promise.all([link.announce(names.presence(node)), ...heard]);
  }

  #subscribe(link: EngineLink, channel: string): Promise<void> {
    return link.subscribe(channel, (message) => {
      if (link !== this.#link) return;
      for (const listener of [...(this.#channels.get(channel) ?? [])]) listener(message);
    });
  }

  #comeUp(link: EngineLink): void {
    link.onLost = (cause) => this.#lost(link, cause);
    this.#isUp = true;
    this.#why = undefined;
    this.#sinceMs = this.#parts.clock.now();
    this.#heard();
    this.#beatLater(link);
    for (const listener of [...this.#listeners]) listener(true);
  }

  #notReady(error: unknown): PlannerError {
    const { url } = this.#parts;
    this.#url = error instanceof MovedError ? error.follow(this.#url) : url;
    const message = messageOf(error);
    this.#why = `${message}${connectionHint(url, message)}`;
    this.#connectLater();
    const isRefused = error instanceof PlannerError && error.code === 'ERR_CLUSTER_REFUSED';
    return isRefused ? this.#unfit(error) : this.#away(this.#why);
  }

  #connectLater(): void {
    if (this.#isClosed) return;
    const { clock, random } = this.#parts;
    this.#timer?.cancel();
    const pauseMs = PAUSE_MS.min + random.next() * (PAUSE_MS.max - PAUSE_MS.min);
    this.#timer = clock.setTimer(pauseMs, () => void this.#connect());
  }

  #lost(link: EngineLink, cause: Error): void {
    if (link !== this.#link) return;
    link.close();
    this.#link = undefined;
    this.#timer?.cancel();
    this.#losses++;
    this.#goAway(messageOf(cause));
    this.#connectLater();
  }

  #goAway(why: string): void {
    this.#isUp = false;
    this.#why = why;
    this.#sinceMs = this.#parts.clock.now();
    for (const listener of [...this.#listeners]) listener(false);
  }

  #heard(): void {
    this.#heardMs = this.#parts.clock.now();
  }

  /** Both connections are asked, since either can be cut alone. */
  #beatLater(link: EngineLink): void {
    const { clock } = this.#parts;
    this.#timer = clock.setTimer(BEAT_MS, () => {
      if (link !== this.#link) return;
      const silent = clock.setTimer(SILENCE_MS, () => this.#lost(link, new Error(`silent for ${SILENCE_MS} ms`)));
      link.beat().then(
        () => {
          silent.cancel();
          this.#heard();
          if (link === this.#link) this.#beatLater(link);
        },
        (error: Error) => {
          silent.cancel();
          this.#lost(link, error);
        },
      );
    });
  }

  #tooLate(link: EngineLink, sentMs: number, timeoutMs: number): PlannerError {
    this.#timeouts++;
    if (this.#parts.clock.now() - Math.max(this.#heardMs, sentMs) >= SILENCE_MS) {
      this.#lost(link, new Error(`silent for ${SILENCE_MS} ms`));
    }
    return this.#away(`no answer within ${timeoutMs} ms`);
  }

  #failed(fn: string, link: EngineLink, error: unknown): PlannerError {
    if (error instanceof PlannerError) return error;
    const refusal = refusalOf(fn, error);
    const isReply = refusal !== error || /^(ERR|WRONGTYPE) /.test(messageOf(error));
    if (!isReply) return this.#away(messageOf(error));
    this.#refused++;
    // Functions that are gone, a primary that has become a replica, or one that takes no writes: found out, and mended, by connecting again.
    if (isElsewhere(messageOf(error))) this.#lost(link, error as Error);
    else this.#parts.onRefused?.(fn, messageOf(error));
    if (refusal instanceof PlannerError) return this.#unfit(refusal);
    return new PlannerError('ERR_CLUSTER_REFUSED', `${fn} failed at the engine: ${messageOf(error)}`, { cause: error });
  }

  #unfit(cause: PlannerError): PlannerError {
    const message = `the engine of the cluster at ${shownURL(this.#parts.url)} cannot be used: ${cause.message}`;
    return new PlannerError('ERR_CLUSTER_REFUSED', message, { cause });
  }

  #away(why: string): PlannerError {
    const message = `the engine of the cluster at ${shownURL(this.#parts.url)} is away: ${why}`;
    return new PlannerError('ERR_CLUSTER_AWAY', message, { retryable: true });
  }
}

function isElsewhere(message: string): boolean {
  return /^(READONLY|MOVED|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|OOM|MISCONF|ERR Function not found)/.test(message);
}
