import type { Clock, Timer } from '../../shared/clock.ts';
import { randomNormal } from '../../shared/random.ts';
import {
  type Job,
  type JobState,
  type MachineRequest,
  promptTokens,
  readingCost,
  type SimulatedSlot,
  writtenTokens,
} from './machine-job.ts';
import { SimulatedMemory } from './model-memory.ts';
import type { ResolvedSimulatorOptions } from './options.ts';
import { PrefixCaches } from './prefix-caches.ts';

/*
 * The machine under the simulated server: slots shared by all models, a FIFO queue before them, and one processor that they share.
 *
 *   queued --slot free--> loading --model there--> reading --prompt read--> writing --last token--> ended
 *     |                      |                        |                        |
 *     +--abort--> ended      +---------- abort -------+--> draining --short delay--> ended
 *
 * If prompts are read in batches (`reading: 'batched'`), as in llama.cpp, a slot that has a prompt to read awaits the end of the current batch; all
 * slots that wait form the next batch, which takes as long as their prompts together. No slot writes meanwhile, and the prompt of an aborted job is
 * read to the end with the others.
 *
 * It is a fluid simulation. Work is measured in the milliseconds it takes alone; with n slots at work each of them advances at
 * 1 / (1 + slotSlowdown * (n - 1)). Its time is the clock's, times `speed`. The machine runs from event to event in its own time and is exact however
 * late its timer fires, so a high speed makes the moments of reports less precise, never the durations. One timer serves all slots.
 */
export interface MachineJob {
  /** Ends a queued job at once; frees the slot of any other after a short delay. Listeners are no longer called. */
  abort(): void;
}

export interface MachineStats {
  readonly active: number;
  readonly queued: number;
  readonly completed: number;
  readonly aborted: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly loads: number;
  readonly evictions: number;
  /** Answers cut off by the eviction of their model. */
  readonly cutByEviction: number;
}

export type MachineSettings = Pick<
  ResolvedSimulatorOptions,
  | 'speed'
  | 'slots'
  | 'queueMax'
  | 'models'
  | 'loadedModelsMax'
  | 'evictionCuts'
  | 'preload'
  | 'promptTokensPerSecond'
  | 'overheadSeconds'
  | 'imageSeconds'
  | 'slotSlowdown'
  | 'reading'
  | 'sharesPrefixes'
  | 'latencySigma'
  | 'abortSeconds'
>;

/** Tokens that follow one another faster than this, in real time, are reported together. */
const TICK_MS = 2;
/** Share left for writing while a batch is read: next to nothing. */
const SHARE_BESIDE_BATCH = 1e-6;

export class SimulatedMachine {
  readonly #settings: MachineSettings;
  readonly #clock: Clock;
  readonly #bornMs: number;
  readonly #slots: SimulatedSlot[];
  readonly #queue: Job[] = [];
  readonly #memory: SimulatedMemory;
  readonly #prefixes: PrefixCaches;
  /** The machine's own time, at most the clock's. */
  #atMs = 0;
  /** When the reading of the latest batch of prompts ends or ended. */
  #batchUntilMs = 0;
  #timer: Timer | undefined;
  #running = false;
  #closed = false;
  #completed = 0;
  #aborted = 0;
  #cutByEviction = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #completionTokens = 0;

  constructor(settings: MachineSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#bornMs = clock.now();
    this.#memory = new SimulatedMemory(settings.loadedModelsMax, settings.preload ? settings.models : []);
    this.#slots = Array.from({ length: settings.slots }, () => ({ job: undefined, held: new Map(), usedAt: 0 }));
    this.#prefixes = new PrefixCaches(this.#slots, settings.sharesPrefixes);
  }

  /** Returns undefined if the queue is full. */
  submit(request: MachineRequest): MachineJob | undefined {
    this.#run();
    const waits = this.#queue.length > 0 || this.#slots.every((slot) => slot.job !== undefined);
    if (this.#closed || (waits && this.#queue.length >= this.#settings.queueMax)) return undefined;
    const job: Job = {
      request,
      luck: (request.workShare ?? 1) * Math.exp(this.#settings.latencySigma * randomNormal(request.random)),
      usage: { promptTokens: promptTokens(request.prompt), cachedTokens: 0 },
      state: { kind: 'queued' },
    };
    this.#run(() => this.#queue.push(job));
    return { abort: () => this.#abort(job) };
  }

  isLoaded(modelId: string): boolean {
    return this.#memory.isReady(modelId, this.#lifeNow());
  }

  stats(): MachineStats {
    return {
      active: this.#slots.filter((slot) => slot.job !== undefined).length,
      queued: this.#queue.length,
      completed: this.#completed,
      aborted: this.#aborted,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#completionTokens,
      loads: this.#memory.loads,
      evictions: this.#memory.evictions,
      cutByEviction: this.#cutByEviction,
    };
  }

  /** Drops all work without notifying the listeners. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#queue.length = 0;
    for (const slot of this.#slots) slot.job = undefined;
  }

  #lifeNow(): number {
    return (this.#clock.now() - this.#bornMs) * this.#settings.speed;
  }

  /** Anything nearer than this is due now, or rounding could make a timer fire repeatedly without effect. */
  #due(): number {
    return 1e-6 * Math.max(this.#settings.speed, 1) + this.#atMs * 1e-12;
  }

  /** Catches up with the clock, applies `change` at that moment, and schedules the next event. Listeners may call back in. */
  #run(change?: () => void): void {
    if (this.#running || this.#closed) {
      change?.();
      return;
    }
    this.#running = true;
    this.#catchUp();
    change?.();
    this.#admit();
    // Work of zero length is done at once.
    this.#catchUp();
    this.#tellTokens();
    this.#admit();
    this.#running = false;
    this.#schedule();
  }

  #catchUp(): void {
    const untilMs = this.#lifeNow();
    for (let next = this.#nextEventMs(); next <= untilMs + this.#due(); next = this.#nextEventMs()) {
      this.#progress(next);
      for (const slot of this.#slots) if (slot.job) this.#stepIfDue(slot.job);
      this.#admit();
    }
    this.#progress(untilMs);
  }

  #share(): number {
    if (this.#isBatchOpen()) return SHARE_BESIDE_BATCH;
    let busy = 0;
    for (const { job } of this.#slots) if (job?.state.kind === 'reading' || job?.state.kind === 'writing') busy++;
    return 1 / (1 + this.#settings.slotSlowdown * Math.max(busy - 1, 0));
  }

  #nextEventMs(): number {
    const share = this.#share();
    let next = Number.POSITIVE_INFINITY;
    for (const { job } of this.#slots) {
      if (!job) continue;
      const { state } = job;
      if ('untilMs' in state) next = Math.min(next, state.untilMs);
      else if ('leftMs' in state) next = Math.min(next, this.#atMs + state.leftMs / share);
    }
    return next;
  }

  #progress(toMs: number): void {
    const passed = (toMs - this.#atMs) * this.#share();
    if (passed <= 0) return;
    for (const { job } of this.#slots) {
      if (job && 'leftMs' in job.state) job.state.leftMs = Math.max(0, job.state.leftMs - passed);
    }
    this.#atMs = toMs;
  }

  #stepIfDue(job: Job): void {
    const { state } = job;
    const due = this.#due();
    switch (state.kind) {
      case 'queued':
      case 'ended':
        return;
      case 'loading':
        if (state.untilMs <= this.#atMs + due) this.#beginReading(job, state.slot);
        return;
      case 'reading':
        if (state.leftMs <= due) this.#beginWriting(job, state.slot);
        return;
      case 'awaiting':
        if (state.untilMs <= this.#atMs + due) this.#beginBatch(state);
        return;
      case 'batched':
        if (state.untilMs <= this.#atMs + due) this.#beginWriting(job, state.slot);
        return;
      case 'writing':
        if (state.leftMs <= due) this.#finish(job, state.slot);
        return;
      case 'draining':
        if (state.untilMs <= this.#atMs + due) this.#release(job, state.slot);
        return;
      default:
        state satisfies never;
    }
  }

  #admit(): void {
    while (this.#queue.length > 0) {
      const slot = this.#prefixes.freeSlotFor((this.#queue[0] as Job).request);
      if (!slot) return;
      this.#occupy(slot, this.#queue.shift() as Job);
    }
  }

  #occupy(slot: SimulatedSlot, job: Job): void {
    slot.job = job;
    const readyAt = this.#memory.use(job.request.model, this.#atMs, (id) => this.#forget(id));
    if (readyAt > this.#atMs) job.state = { kind: 'loading', slot, untilMs: readyAt };
    else this.#beginReading(job, slot);
  }

  #forget(model: string): void {
    this.#prefixes.forget(model);
    for (const slot of this.#slots) {
      if (this.#settings.evictionCuts && slot.job?.request.model.id === model) this.#cut(slot.job, slot);
    }
  }

  #cut(job: Job, slot: SimulatedSlot): void {
    if (job.state.kind === 'draining') return;
    this.#cutByEviction++;
    this.#release(job, slot);
    job.request.listener.onEvicted?.();
  }

  #beginReading(job: Job, slot: SimulatedSlot): void {
    const { prompt, listener } = job.request;
    const { overheadSeconds, promptTokensPerSecond, imageSeconds } = this.#settings;
    const prefix = this.#prefixes.take(slot, job.request);
    const { usage, textTokens, images } = readingCost(prompt, prefix);
    const readingMs = (textTokens / promptTokensPerSecond + images * imageSeconds) * 1_000 * job.luck;
    const overheadMs = overheadSeconds * 1_000 * job.luck;
    job.usage = usage;
    if (this.#settings.reading === 'batched')
      job.state = { kind: 'awaiting', slot, workMs: readingMs, untilMs: this.#atMs + overheadMs };
    else job.state = { kind: 'reading', slot, workMs: overheadMs + readingMs, leftMs: overheadMs + readingMs };
    this.#promptTokens += usage.promptTokens;
    this.#cachedTokens += usage.cachedTokens;
    listener.onStart();
  }

  #isBatchOpen(): boolean {
    return this.#batchUntilMs > this.#atMs + this.#due();
  }

  /** A job that is ready to be read starts the next batch, or awaits the end of the current one. */
  #beginBatch(ready: JobState & { kind: 'awaiting' }): void {
    if (this.#isBatchOpen()) {
      ready.untilMs = this.#batchUntilMs;
      return;
    }
    const awaiting = this.#slots.flatMap(({ job }) => (job?.state.kind === 'awaiting' ? [{ job, ...job.state }] : []));
    const untilMs = this.#atMs + awaiting.reduce((sum, { workMs }) => sum + workMs, 0);
    this.#batchUntilMs = untilMs;
    for (const { job, slot } of awaiting) job.state = { kind: 'batched', slot, untilMs };
  }

  #beginWriting(job: Job, slot: SimulatedSlot): void {
    const { model, prompt, tokens } = job.request;
    const workMs = (tokens / model.tokensPerSecond) * 1_000 * job.luck;
    slot.held.set(model.id, prompt.text);
    job.state = { kind: 'writing', slot, workMs, leftMs: workMs, told: 0 };
  }

  #finish(job: Job, slot: SimulatedSlot): void {
    const { tokens, listener } = job.request;
    this.#tell(job, tokens);
    // The listener may have aborted it at its last token.
    if (job.state.kind !== 'writing') return;
    this.#completed++;
    this.#release(job, slot);
    listener.onDone(job.usage);
  }

  #release(job: Job, slot: SimulatedSlot): void {
    job.state = { kind: 'ended' };
    slot.job = undefined;
    slot.usedAt = this.#atMs;
  }

  #tell(job: Job, count: number): void {
    const { state } = job;
    if (state.kind !== 'writing' || count <= state.told) return;
    this.#completionTokens += count - state.told;
    state.told = count;
    job.request.listener.onTokens(count);
  }

  #tellTokens(): void {
    for (const { job } of this.#slots) {
      if (job?.state.kind === 'writing') this.#tell(job, writtenTokens(job, job.state));
    }
  }

  #abort(job: Job): void {
    this.#run(() => {
      const { state } = job;
      if (state.kind === 'ended' || state.kind === 'draining' || this.#closed) return;
      this.#aborted++;
      if (state.kind === 'queued') {
        this.#queue.splice(this.#queue.indexOf(job), 1);
        job.state = { kind: 'ended' };
        return;
      }
      const noticedMs = this.#atMs + this.#settings.abortSeconds * 1_000;
      const untilMs = state.kind === 'batched' ? Math.max(noticedMs, state.untilMs) : noticedMs;
      job.state = { kind: 'draining', slot: state.slot, untilMs };
    });
  }

  /** When the next token of a job will be written. */
  #nextTokenMs(job: Job, share: number): number {
    const { state } = job;
    if (state.kind !== 'writing') return Number.POSITIVE_INFINITY;
    const leftThen = state.workMs * (1 - (state.told + 1) / job.request.tokens);
    return this.#atMs + Math.max(0, state.leftMs - leftThen) / share;
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const share = this.#share();
    const tickMs = this.#atMs + TICK_MS * this.#settings.speed;
    let wakeMs = this.#nextEventMs();
    for (const { job } of this.#slots) {
      if (job) wakeMs = Math.min(wakeMs, Math.max(this.#nextTokenMs(job, share), tickMs));
    }
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    const delayMs = (wakeMs - this.#lifeNow()) / this.#settings.speed;
    this.#timer = this.#clock.setTimer(Math.max(delayMs, 0), () => this.#run());
  }
}
