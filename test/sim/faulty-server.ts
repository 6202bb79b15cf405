import type { EndpointClient } from '../../src/main/service/create-planner.ts';
import type { Clock, Timer } from '../../src/shared/clock.ts';
import { PlannerError } from '../../src/shared/errors.ts';
import { CallWatch } from '../../src/shared/model-client/call-watch.ts';
import { ChatStream } from '../../src/shared/model-client/chat-stream.ts';
import { type CallPhase, timeoutFailure } from '../../src/shared/model-client/failures.ts';
import type { ChatCall, ChatOutcome } from '../../src/shared/model-client/model-client.ts';
import { forkRandom, type Random, randomNormal } from '../../src/shared/random.ts';
import type { CallReport } from '../../src/shared/tasks.ts';
import { type CallFault, type Chunk, type Play, playOf, REFUSALS, type ServerFault } from './server-faults.ts';

/** A fault that calls meet while it lasts; of those at the server as a whole, `share` says nothing. */
export interface Episode {
  readonly fault: CallFault | ServerFault;
  readonly share: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface ServerSetting {
  readonly name: string;
  readonly models: readonly string[];
  readonly slots: number;
  /** Whether it answers as llama.cpp does when it is asked what it has. */
  readonly tellsSlots: boolean;
  readonly keepsSchema: boolean;
  /** Medians, milliseconds. */
  readonly readMs: number;
  readonly tokenMs: number;
  readonly loadMs: number;
  readonly coldLoadMs: number;
  readonly sigma: number;
  /** Models in memory at once. */
  readonly loadedMax: number;
  /** How long an abort takes to be noticed. */
  readonly abortMs: number;
}

/** Who listens to a response. */
interface Listener {
  headers(): void;
  data(bytes: string): void;
  end(): void;
  reset(): void;
}

/** One request on its way through the server; it may outlive its listener. */
interface Work {
  readonly model: string;
  readonly play: Play;
  readonly isStreamed: boolean;
  listener: Listener | undefined;
  state: 'queued' | 'working' | 'draining' | 'ended';
  /** When its model is there. */
  readyMs: number;
  timer: Timer | undefined;
}

/** What a server that is deaf to aborts does with a request that it would be silent about. */
const DEAF_SILENCE_MS = 3_000;
/** Well is a server that has no load before it that lasts longer. */
const LOAD_MS_WELL = 2_000;

/**
 * A model server of few slots that shows every fault of the field, on a clock that may be virtual. No sockets: the bytes of
 * its responses go straight into the stream reader of the real client, under the real watch over phases.
 */
export class FaultyServer implements EndpointClient {
  readonly #setting: ServerSetting;
  readonly #episodes: readonly Episode[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #queue: Work[] = [];
  readonly #working = new Set<Work>();
  /** When each model in memory is there; the least recently used one first. */
  readonly #memory = new Map<string, number>();
  readonly #turns: Timer[];
  /** Calls that it will never know of, until their callers give them up. */
  #lost = 0;

  constructor(setting: ServerSetting, episodes: readonly Episode[], clock: Clock, seed: number) {
    this.#setting = setting;
    this.#episodes = episodes;
    this.#clock = clock;
    this.#random = forkRandom(seed, setting.name);
    for (const model of setting.models.slice(0, setting.loadedMax)) this.#memory.set(model, 0);
    this.#turns = episodes.flatMap(({ fault, fromMs, untilMs }) => [
      clock.setTimer(fromMs - clock.now(), () => fault === 'unloaded' && this.#memory.clear()),
      clock.setTimer(untilMs - clock.now(), () => this.#admit()),
    ]);
  }

  /** Whether no fault lasts, none is left over, and its models are about to be there. */
  get isWell(): boolean {
    const nowMs = this.#clock.now();
    if (this.#episodes.some(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs)) return false;
    for (const readyMs of this.#memory.values()) if (readyMs > nowMs + LOAD_MS_WELL) return false;
    for (const { readyMs } of this.#working) if (readyMs > nowMs + LOAD_MS_WELL) return false;
    // Nor is anybody worked for who has left.
    const isOrdinary = ({ play, listener }: Work): boolean => !play.isFaulty && listener !== undefined;
    return this.#lost === 0 && [...this.#queue, ...this.#working].every(isOrdinary);
  }

  chat(call: ChatCall, signal?: AbortSignal): Promise<ChatOutcome> {
    const fault = this.#drawFault(call);
    if (fault === 'bug') return Promise.reject(new Error('a bug in the client'));
    return new Exchange(this.#clock, call, signal).run((listener) => {
      if (fault === 'blackHole') return this.#lose();
      const refusal = fault && REFUSALS[fault];
      if (refusal !== undefined) {
        const timer = this.#clock.setTimer(1 + 4 * this.#random.next(), () => listener.refuse(refusal(call)));
        return () => timer.cancel();
      }
      return this.#submit(call, fault, listener);
    });
  }

  listModels(): Promise<readonly string[]> {
    return Promise.resolve(this.#setting.models);
  }

  getJson(path: string): Promise<unknown> {
    const { tellsSlots, slots, models } = this.#setting;
    if (path === '/v1/models') return Promise.resolve({ data: models.map((id) => ({ id })) });
    if (path === '/props' && tellsSlots) return Promise.resolve({ total_slots: slots });
    return Promise.reject(new PlannerError('ERR_MODEL_STATUS', `404 ${path}`));
  }

  /** The planner has done with it. The server itself goes on until `stop`. */
  async close(): Promise<void> {}

  /** Ends all of its timers. */
  stop(): void {
    for (const timer of this.#turns) timer.cancel();
    for (const work of this.#working) work.timer?.cancel();
    this.#working.clear();
    this.#queue.length = 0;
  }

  #lose(): () => void {
    this.#lost++;
    return () => {
      this.#lost--;
    };
  }

  #lasts(fault: ServerFault): boolean {
    const nowMs = this.#clock.now();
    return this.#episodes.some((each) => each.fault === fault && each.fromMs <= nowMs && nowMs < each.untilMs);
  }

  #drawFault(call: ChatCall): CallFault | undefined {
    const nowMs = this.#clock.now();
    for (const { fault, share, fromMs, untilMs } of this.#episodes) {
      if (fault === 'deaf' || fault === 'shrunk' || fault === 'unloaded') continue;
      if (nowMs < fromMs || nowMs >= untilMs || this.#random.next() >= share) continue;
      if (fault === 'schemaRefused' && call.schema === undefined) continue;
      return fault;
    }
    return undefined;
  }

  #submit(call: ChatCall, fault: CallFault | undefined, listener: Listener): () => void {
    const { readMs, tokenMs, keepsSchema } = this.#setting;
    const luck = Math.exp(this.#setting.sigma * randomNormal(this.#random));
    const times = { readMs: readMs * luck, tokenMs: tokenMs * luck };
    const work: Work = {
      model: call.model,
      play: playOf(fault, call, times, keepsSchema, this.#random),
      isStreamed: call.stream !== false,
      listener,
      state: 'queued',
      readyMs: 0,
      timer: undefined,
    };
    this.#queue.push(work);
    this.#admit();
    return () => this.#leave(work);
  }

  #admit(): void {
    const slots = this.#lasts('shrunk') ? Math.max(1, this.#setting.slots >> 1) : this.#setting.slots;
    while (this.#working.size < slots) {
      const work = this.#queue.shift();
      if (work === undefined) return;
      this.#working.add(work);
      work.state = 'working';
      work.readyMs = this.#load(work.model);
      work.timer = this.#clock.setTimer(Math.max(work.readyMs - this.#clock.now(), 0) + 1, () => {
        if (work.isStreamed && !work.play.isMute) work.listener?.headers();
        this.#play(work, 0);
      });
    }
  }

  /** When the model is there. Another one may have to go for it. */
  #load(model: string): number {
    const { loadedMax, loadMs, coldLoadMs } = this.#setting;
    const nowMs = this.#clock.now();
    const readyMs = this.#memory.get(model) ?? nowMs + (this.#lasts('unloaded') ? coldLoadMs : loadMs);
    this.#memory.delete(model);
    this.#memory.set(model, readyMs);
    const [oldest] = this.#memory.keys();
    if (this.#memory.size > loadedMax && oldest !== undefined) this.#memory.delete(oldest);
    return readyMs;
  }

  #play(work: Work, index: number): void {
    const { chunks, ending } = work.play;
    const chunk: Chunk | undefined = chunks[index];
    if (chunk !== undefined) {
      work.timer = this.#clock.setTimer(chunk.afterMs, () => {
        if (work.isStreamed) work.listener?.data(chunk.bytes);
        if (work.state === 'working') this.#play(work, index + 1);
      });
      return;
    }
    if (ending === 'silence') {
      work.timer = undefined;
      if (work.listener === undefined) this.#finishLater(work, DEAF_SILENCE_MS);
      return;
    }
    const { listener } = work;
    this.#finish(work);
    if (ending === 'reset') return listener?.reset();
    if (!work.isStreamed) {
      listener?.headers();
      listener?.data(work.play.body);
    }
    listener?.end();
  }

  /** The client has closed its connection: noticed soon, or not at all. */
  #leave(work: Work): void {
    work.listener = undefined;
    if (work.state === 'ended' || work.state === 'draining') return;
    if (this.#lasts('deaf') || (!work.isStreamed && work.state === 'working')) {
      // Worked to its end all the same.
      if (work.state === 'working' && work.timer === undefined) this.#finishLater(work, DEAF_SILENCE_MS);
      return;
    }
    if (work.state === 'queued') {
      this.#queue.splice(this.#queue.indexOf(work), 1);
      work.state = 'ended';
    } else this.#finishLater(work, this.#setting.abortMs);
  }

  #finishLater(work: Work, afterMs: number): void {
    work.timer?.cancel();
    work.state = 'draining';
    work.readyMs = 0;
    work.timer = this.#clock.setTimer(afterMs, () => this.#finish(work));
  }

  #finish(work: Work): void {
    work.state = 'ended';
    this.#working.delete(work);
    this.#admit();
  }
}

/** The client's side of one call, as `ModelClient` has it. */
class Exchange {
  readonly #clock: Clock;
  readonly #call: ChatCall;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: CallWatch;
  #stream: ChatStream | undefined;
  #phase: CallPhase = 'connect';
  #onTimeout: (afterMs: number) => void = () => {};

  constructor(clock: Clock, call: ChatCall, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#call = call;
    this.#signal = signal;
    const phases = call.stream === false ? undefined : call.phases;
    this.#watch = new CallWatch(clock, call.timeoutMs, phases, (afterMs) => this.#onTimeout(afterMs));
  }

  /** `open` returns what closes the connection. */
  run(open: (listener: Listener & { refuse(failure: PlannerError): void }) => () => void): Promise<ChatOutcome> {
    const { promise, resolve } = Promise.withResolvers<ChatOutcome>();
    let isSettled = false;
    let close = (): void => {};
    const settle = (failure?: PlannerError): void => {
      if (isSettled) return;
      isSettled = true;
      this.#watch.dispose();
      this.#signal?.removeEventListener('abort', onAbort);
      resolve(this.#outcome(failure));
    };
    const onAbort = (): void => {
      settle(new PlannerError('ERR_CANCELLED', 'the call was cancelled'));
      close();
    };
    this.#onTimeout = (afterMs) => {
      settle(timeoutFailure(this.#stream?.phase ?? this.#phase, afterMs));
      this.#clock.nextTurn(() => close());
    };
    if (this.#signal?.aborted) {
      onAbort();
      return promise;
    }
    this.#signal?.addEventListener('abort', onAbort, { once: true });
    close = open({
      headers: () => {
        if (!isSettled) this.#read(settle, () => close());
      },
      data: (bytes) => this.#stream?.onData(Buffer.from(bytes)),
      end: () => this.#stream?.onEnd(),
      reset: () => {
        const error = new Error('reset');
        if (this.#stream !== undefined) this.#stream.onError(error);
        else settle(new PlannerError('ERR_MODEL_RESET', 'reset before the response', { retryable: true }));
      },
      refuse: settle,
    });
    this.#phase = 'headers';
    return promise;
  }

  #read(settle: (failure?: PlannerError) => void, stop: () => void): void {
    this.#watch.headers();
    this.#stream = new ChatStream({
      isEventStream: this.#call.stream !== false,
      isConstrained: this.#call.schema !== undefined,
      isComplete: this.#call.isComplete,
      onContent: this.#call.onContent,
      onToken: () => this.#watch.token(),
      onFinished: () => this.#watch.finished(),
      onSettled: settle,
      stop,
      onEnded: () => {},
    });
  }

  #outcome(failure: PlannerError | undefined): ChatOutcome {
    const isTold = this.#call.stream !== false;
    const { startedAtMs, queueMs, firstTokenMs, gapMsMax } = this.#watch;
    const report: CallReport = {
      totalMs: this.#clock.now() - startedAtMs,
      ...(isTold && queueMs !== undefined ? { queueMs } : {}),
      ...(isTold && firstTokenMs !== undefined ? { firstTokenMs, ...(gapMsMax > 0 ? { gapMsMax } : {}) } : {}),
      ...(failure !== undefined && this.#watch.isWriting ? { isWriting: true as const } : {}),
      ...(this.#stream?.model === undefined ? {} : { modelAnswered: this.#stream.model }),
      ...this.#stream?.usage,
    };
    if (failure !== undefined) return { ok: false, failure, report };
    const { content, reasoning, finishReason } = this.#stream as ChatStream;
    return { ok: true, answer: { content, reasoning, finishReason }, report };
  }
}
