import type { Random } from '../../shared/random.ts';
import type { SimulatedModel } from './options.ts';

/** The machine's work: requests, the jobs they become, and the slots that hold jobs. Pure. */
export interface MachinePrompt {
  /** The whole prompt in reading order; pictures are represented by their fingerprints. */
  readonly text: string;
  readonly images: number;
  /** Index in `text` at which the last picture ends. */
  readonly imagesEnd: number;
}

export interface MachineListener {
  /** A slot begins to read the prompt. */
  onStart(): void;
  /** This many tokens have been written. Called for each token, or once for several that follow fast. */
  onTokens(count: number): void;
  onDone(usage: MachineUsage): void;
  /** Its model was evicted for another one, and its answer is lost. */
  onEvicted?(): void;
}

export interface MachineRequest {
  readonly model: SimulatedModel;
  readonly prompt: MachinePrompt;
  /** Number of tokens it writes. */
  readonly tokens: number;
  /** Factor on the time that it takes. Default 1. */
  readonly workShare?: number;
  /** Luck of this request; separate, so that requests do not affect one another's. */
  readonly random: Random;
  readonly listener: MachineListener;
}

export interface MachineUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

const CHARS_PER_TOKEN = 4;
const IMAGE_TOKENS = 256;
export interface SimulatedSlot {
  job: Job | undefined;
  /** The latest prompt that it has read, by model. */
  readonly held: Map<string, string>;
  usedAt: number;
}

export type JobState =
  | { readonly kind: 'queued' }
  | { readonly kind: 'loading'; readonly slot: SimulatedSlot; readonly untilMs: number }
  | { readonly kind: 'reading'; readonly slot: SimulatedSlot; readonly workMs: number; leftMs: number }
  /** If prompts are read in batches: the states before its batch starts, and while that is read. */
  | { readonly kind: 'awaiting'; readonly slot: SimulatedSlot; readonly workMs: number; untilMs: number }
  | { readonly kind: 'batched'; readonly slot: SimulatedSlot; readonly untilMs: number }
  | { readonly kind: 'writing'; readonly slot: SimulatedSlot; readonly workMs: number; leftMs: number; told: number }
  | { readonly kind: 'draining'; readonly slot: SimulatedSlot; readonly untilMs: number }
  | { readonly kind: 'ended' };

export interface Job {
  readonly request: MachineRequest;
  /** The lognormal factor on all of its times. */
  readonly luck: number;
  usage: MachineUsage;
  state: JobState;
}

export function promptTokens(prompt: MachinePrompt): number {
  return Math.max(1, Math.ceil(prompt.text.length / CHARS_PER_TOKEN)) + prompt.images * IMAGE_TOKENS;
}

export function writtenTokens(job: Job, state: JobState & { kind: 'writing' }): number {
  const { tokens } = job.request;
  return state.workMs === 0 ? tokens : Math.floor((1 - state.leftMs / state.workMs) * tokens + 1e-6);
}

export interface ReadingCost {
  readonly usage: MachineUsage;
  /** Number of tokens to read, without the pictures. */
  readonly textTokens: number;
  readonly images: number;
}

/** The cost of reading the rest of a prompt of which `prefix` characters are held. */
export function readingCost(prompt: MachinePrompt, prefix: number): ReadingCost {
  const imagesHeld = prompt.images > 0 && prefix >= prompt.imagesEnd;
  const total = promptTokens(prompt);
  const images = imagesHeld ? 0 : prompt.images;
  // The last token is always read again: the first token of the answer follows from it.
  const held = Math.floor(prefix / CHARS_PER_TOKEN) + (imagesHeld ? prompt.images * IMAGE_TOKENS : 0);
  const cachedTokens = Math.min(held, total - 1);
  return {
    usage: { promptTokens: total, cachedTokens },
    textTokens: total - cachedTokens - images * IMAGE_TOKENS,
    images,
  };
}
