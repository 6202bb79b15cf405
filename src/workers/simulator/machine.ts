import type { Clock, Timer } from '../../shared/clock.ts';
import { type Random, randomNormal } from '../../shared/random.ts';
import { ModelMemory } from './model-memory.ts';
import type { ResolvedSimulatorOptions, SimulatedModel } from './options.ts';

/*
 * The machine under the simulated server: slots shared by all models, a FIFO queue before them, and one processor that
 * they share.
 *
 *   queued --slot free--> loading --model there--> reading --prompt read--> writing --last token--> ended
 *     |                      |                        |                        |
 *     +--abort--> ended      +---------- abort -------+--> draining --short delay--> ended
 *
 * It is a fluid simulation. Work is measured in the milliseconds it takes alone; with n slots at work each of them
 * advances at 1 / (1 + slotSlowdown * (n - 1)). Time is that of life: the clock's, times `speed`. The machine runs from
 * event to event in its own time and is exact however late its timer fires, so a high speed costs precision of the
 * moment at which things are told, never of how long they took. One timer serves all slots.
 */
export interface MachinePrompt {
  /** All that is read, in order; pictures stand in it by their fingerprint. */
  readonly text: string;
  readonly images: number;
  /** Where in `text` the last picture ends. */
  readonly imagesEnd: number;
}

export interface MachineListener {
  /** A slot begins to read the prompt. */
  onStart(): void;
  /** So many tokens are written by now. Told for each token, or for several at once where they follow fast. */
  onTokens(count: number): void;
  onDone(usage: MachineUsage): void;
}

export interface MachineRequest {
  readonly model: SimulatedModel;
  readonly prompt: MachinePrompt;
  /** How many tokens it writes. */
  readonly tokens: number;
  /** For the luck of this request; of its own, so that requests do not shift one another's. */
  readonly random: Random;
  readonly listener: MachineListener;
}

export interface MachineUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

export interface MachineJob {
  /** Nobody listens any more. Ends a queued job at once, frees the slot of another after a short delay. */
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
}

export type MachineSettings = Pick<
  ResolvedSimulatorOptions,
  | 'speed'
  | 'slots'
  | 'queueMax'
  | 'models'
  | 'loadedModelsMax'
  | 'preload'
  | 'promptTokensPerSecond'
  | 'overheadSeconds'
  | 'imageSeconds'
  | 'slotSlowdown'
  | 'latencySigma'
  | 'abortSeconds'
>;

export const CHARS_PER_TOKEN = 4;
const IMAGE_TOKENS = 256;
/** Tokens that follow one another faster than this, in real time, are told together. */
const TICK_MS = 2;

interface Slot {
  job: Job | undefined;
  /** What its prefix cache holds, and for which model. */
  model: string;
  text: string;
  usedAt: number;
}

type JobState =
  | { readonly kind: 'queued' }
  | { readonly kind: 'loading'; readonly slot: Slot; readonly untilMs: number }
  | { readonly kind: 'reading'; readonly slot: Slot; readonly workMs: number; leftMs: number }
  | { readonly kind: 'writing'; readonly slot: Slot; readonly workMs: number; leftMs: number; told: number }
  | { readonly kind: 'draining'; readonly slot: Slot; readonly untilMs: number }
  | { readonly kind: 'ended' };

interface Job {
  readonly request: MachineRequest;
  /** The lognormal factor on all its times. */
  readonly luck: number;
  usage: MachineUsage;
  state: JobState;
}

export function promptTokens(prompt: MachinePrompt): number {
  return Math.max(1, Math.ceil(prompt.text.length / CHARS_PER_TOKEN)) + prompt.images * IMAGE_TOKENS;
}

function commonPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

function writtenTokens(job: Job, state: JobState & { kind: 'writing' }): number {
  const { tokens } = job.request;
  return state.workMs === 0 ? tokens : Math.floor((1 - state.leftMs / state.workMs) * tokens + 1e-6);
}

export class Machine {
  readonly #settings: MachineSettings;
  readonly #clock: Clock;
  readonly #bornMs: number;
  readonly #slots: Slot[];
  readonly #queue: Job[] = [];
  readonly #memory: ModelMemory;
  /** The machine's own time, at most the clock's. */
  #atMs = 0;
  #timer: Timer | undefined;
  #running = false;
  #closed = false;
  #completed = 0;
  #aborted = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #completionTokens = 0;

  constructor(settings: MachineSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#bornMs = clock.now();
    this.#memory = new ModelMemory(settings.loadedModelsMax, settings.preload ? settings.models : []);
    this.#slots = Array.from({ length: settings.slots }, () => ({ job: undefined, model: '', text: '', usedAt: 0 }));
  }

  /** Nothing where the queue is full. */
  submit(request: MachineRequest): MachineJob | undefined {
    this.#run();
    const waits = this.#queue.length > 0 || this.#slots.every((slot) => slot.job !== undefined);
    if (this.#closed || (waits && this.#queue.length >= this.#settings.queueMax)) return undefined;
    const job: Job = {
      request,
      luck: Math.exp(this.#settings.latencySigma * randomNormal(request.random)),
      usage: { promptTokens: promptTokens(request.prompt), cachedTokens: 0 },
      state: { kind: 'queued' },
    };
    this.#run(() => this.#queue.push(job));
    return { abort: () => this.#abort(job) };
  }

  isLoaded(modelId: string): boolean {
    return this.#memory.has(modelId);
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
    };
  }

  /** Drops all work without a word to the listeners. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#queue.length = 0;
    for (const slot of this.#slots) slot.job = undefined;
  }

  #lifeNow(): number {
    return (this.#clock.now() - this.#bornMs) * this.#settings.speed;
  }

  /** What is closer than this is now: rounding must not make a timer fire for nothing again and again. */
  #due(): number {
    return 1e-6 * Math.max(this.#settings.speed, 1) + this.#atMs * 1e-12;
  }

  /** Catches up with the clock, lets `change` happen at that moment, and plans the next. Listeners may call back in. */
  #run(change?: () => void): void {
    if (this.#running || this.#closed) {
      change?.();
      return;
    }
    this.#running = true;
    this.#catchUp();
    change?.();
    this.#admit();
    // Work of no length is done at once.
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
      const slot = this.#freeSlotFor(this.#queue[0] as Job);
      if (!slot) return;
      this.#occupy(slot, this.#queue.shift() as Job);
    }
  }

  /** The free slot that has read most of the prompt already, else the one unused for longest, as llama.cpp does. */
  #freeSlotFor(job: Job): Slot | undefined {
    let best: Slot | undefined;
    let bestPrefix = -1;
    for (const slot of this.#slots) {
      if (slot.job) continue;
      const prefix = this.#heldPrefix(slot, job.request);
      if (!best || prefix > bestPrefix || (prefix === bestPrefix && slot.usedAt < best.usedAt)) {
        best = slot;
        bestPrefix = prefix;
      }
    }
    return best;
  }

  #heldPrefix(slot: Slot, request: MachineRequest): number {
    return slot.model === request.model.id ? commonPrefix(slot.text, request.prompt.text) : 0;
  }

  #occupy(slot: Slot, job: Job): void {
    slot.job = job;
    const readyAt = this.#memory.use(job.request.model, this.#atMs, (id) => this.#forget(id));
    if (readyAt > this.#atMs) job.state = { kind: 'loading', slot, untilMs: readyAt };
    else this.#beginReading(job, slot);
  }

  #forget(model: string): void {
    for (const slot of this.#slots) if (slot.model === model) slot.text = '';
  }

  #beginReading(job: Job, slot: Slot): void {
    const { model, prompt, listener } = job.request;
    const { overheadSeconds, promptTokensPerSecond, imageSeconds } = this.#settings;
    const prefix = this.#heldPrefix(slot, job.request);
    const imagesHeld = prompt.images > 0 && prefix >= prompt.imagesEnd;
    const total = promptTokens(prompt);
    // The last token is always read again: the first one of the answer follows from it.
    const held = Math.floor(prefix / CHARS_PER_TOKEN) + (imagesHeld ? prompt.images * IMAGE_TOKENS : 0);
    const cachedTokens = Math.min(held, total - 1);
    const imageTokensToRead = imagesHeld ? 0 : prompt.images * IMAGE_TOKENS;
    const textSeconds = (total - cachedTokens - imageTokensToRead) / promptTokensPerSecond;
    const pictureSeconds = imagesHeld ? 0 : prompt.images * imageSeconds;
    const workMs = (overheadSeconds + textSeconds + pictureSeconds) * 1_000 * job.luck;
    job.usage = { promptTokens: total, cachedTokens };
    job.state = { kind: 'reading', slot, workMs, leftMs: workMs };
    slot.model = model.id;
    slot.text = prompt.text.slice(0, prefix);
    this.#promptTokens += total;
    this.#cachedTokens += cachedTokens;
    listener.onStart();
  }

  #beginWriting(job: Job, slot: Slot): void {
    const { model, prompt, tokens } = job.request;
    const workMs = (tokens / model.tokensPerSecond) * 1_000 * job.luck;
    slot.text = prompt.text;
    job.state = { kind: 'writing', slot, workMs, leftMs: workMs, told: 0 };
  }

  #finish(job: Job, slot: Slot): void {
    const { tokens, listener } = job.request;
    this.#tell(job, tokens);
    // The listener may have aborted it at its last token.
    if (job.state.kind !== 'writing') return;
    this.#completed++;
    this.#release(job, slot);
    listener.onDone(job.usage);
  }

  #release(job: Job, slot: Slot): void {
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
      const untilMs = this.#atMs + this.#settings.abortSeconds * 1_000;
      job.state = { kind: 'draining', slot: state.slot, untilMs };
    });
  }

  /** The moment at which a job has its next token written. */
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
