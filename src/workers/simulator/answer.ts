import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { forkRandom, type Random, randomNormal } from '../../shared/random.ts';
import type { ChatRequest } from './chat-request.ts';
import { type MachinePrompt, promptTokens } from './machine-job.ts';
import { formOpinion } from './opinion.ts';
import type { ResolvedRates, SimulatedModel } from './options.ts';
import { readPrompt } from './prompt-reader.ts';
import {
  endlessThought,
  isThoughtAsked,
  longThought,
  smallTalk,
  tokenize,
  wordAnswer,
  wordBySchema,
} from './wording.ts';

/**
 * What a request will be answered, decided before it is worked on. All luck comes from the seed, the model, the prompt
 * and how often that prompt was sent before, so answers do not depend on what else the server is asked, or when.
 */
export type Fate =
  | { readonly kind: 'answer' }
  | { readonly kind: 'http500' | 'reset' | 'hang' }
  /** Goes wrong after so many tokens. */
  | { readonly kind: 'errorEvent' | 'cut' | 'unparsable'; readonly afterTokens: number };

export interface PreparedAnswer {
  readonly prompt: MachinePrompt;
  readonly tokens: readonly string[];
  readonly finishReason: 'stop' | 'length';
  readonly fate: Fate;
  /** For the machine. */
  readonly latencyRandom: Random;
  /** For what the server itself draws. */
  readonly random: Random;
}

/** Prompts of which the number of occurrences is remembered. */
const PROMPTS_MAX = 50_000;

export class AnswerDesk {
  readonly #seed: number;
  readonly #rates: ResolvedRates;
  readonly #occurrences = new LRUCache<string, number>({ max: PROMPTS_MAX });

  constructor(seed: number, rates: ResolvedRates) {
    this.#seed = seed;
    this.#rates = rates;
  }

  prepare(request: ChatRequest, model: SimulatedModel): PreparedAnswer {
    const luck = this.#luckOf(model.id, request.prompt.text);
    const text = this.#answerText(request, model, luck);
    const all = tokenize(text);
    const tokens = all.slice(
      0,
      Math.max(0, Math.min(request.maxTokens ?? Number.POSITIVE_INFINITY, roomFor(request, model))),
    );
    return {
      prompt: request.prompt,
      tokens,
      finishReason: tokens.length < all.length ? 'length' : 'stop',
      fate: this.#isUnparsable(model.id, request.prompt.text)
        ? { kind: 'unparsable', afterTokens: tokens.length }
        : drawFate(this.#rates, luck('fate'), tokens.length),
      latencyRandom: luck('latency'),
      random: luck('server'),
    };
  }

  /** The fault of the request: it is the same however often it is sent. */
  #isUnparsable(modelId: string, promptText: string): boolean {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    return forkRandom(this.#seed, `unparsable:${key}`).next() < this.#rates.unparsable;
  }

  /** Generators of their own for the n-th asking of this prompt. */
  #luckOf(modelId: string, promptText: string): (part: string) => Random {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    const occurrence = this.#occurrences.get(key) ?? 0;
    this.#occurrences.set(key, occurrence + 1);
    return (part) => forkRandom(this.#seed, `${occurrence}:${part}:${key}`);
  }

  #answerText(request: ChatRequest, model: SimulatedModel, luck: (part: string) => Random): string {
    const reading = readPrompt(request.text);
    const { schemaProperties } = request;
    const mayThink = schemaProperties === undefined || isThoughtAsked(schemaProperties);
    const opinion = formOpinion(reading, mayThink ? model.skill : model.hastySkill, luck('opinion'));
    if (opinion === undefined) return smallTalk(request.text);
    if (schemaProperties !== undefined) return wordBySchema(opinion, schemaProperties);
    const answer = wordAnswer(opinion, reading, this.#rates, luck('wording'));
    const thinking = luck('thinking');
    if (thinking.next() < this.#rates.runaway) return endlessThought(model.contextTokens);
    return model.thinkTokens === 0 ? answer : longThought(thinkingTokens(model, thinking)) + answer;
  }
}

/** Tokens that the context leaves for an answer. */
function roomFor({ prompt }: ChatRequest, { contextTokens }: SimulatedModel): number {
  return contextTokens - promptTokens(prompt);
}

function thinkingTokens({ thinkTokens, thinkSigma }: SimulatedModel, random: Random): number {
  return Math.round(thinkTokens * Math.exp(thinkSigma * randomNormal(random)));
}

function drawFate(rates: ResolvedRates, random: Random, tokens: number): Fate {
  let left = random.next();
  for (const kind of ['http500', 'reset', 'hang'] as const) {
    if (left < rates[kind]) return { kind };
    left -= rates[kind];
  }
  for (const kind of ['errorEvent', 'cut'] as const) {
    if (left < rates[kind]) return { kind, afterTokens: Math.floor(random.next() * tokens) };
    left -= rates[kind];
  }
  return { kind: 'answer' };
}
