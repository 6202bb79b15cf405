import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { forkRandom, type Random, randomNormal } from '../../shared/random.ts';
import type { ChatRequest } from './chat-request.ts';
import { type MachinePrompt, promptTokens } from './machine-job.ts';
import { formOpinion } from './opinion.ts';
import type { ResolvedRates, SimulatedModel } from './options.ts';
import { type PromptReading, readPrompt } from './prompt-reader.ts';
import { labelMass, readDistribution, strayRate } from './reads/distribution.ts';
import { answerQuestion, type ReadAnswer } from './reads/read-answer.ts';
import { type ReadRequest, renderQuestion } from './reads/read-request.ts';
import { chancesOfTokens, type TokenChances, type TokenLogprob, tokenLogprobs } from './reads/token-chances.ts';
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
 * The answer to a request, decided before the work starts. Its luck depends only on the seed, the model, the prompt and how often that prompt was
 * sent before, so other requests and timing do not change answers.
 */
export type Fate =
  | { readonly kind: 'answer' }
  | { readonly kind: 'http500' | 'reset' | 'hang' }
  /** Fails after this many tokens. */
  | { readonly kind: 'errorEvent' | 'cut' | 'unparsable'; readonly afterTokens: number };

export interface PreparedAnswer {
  readonly prompt: MachinePrompt;
  readonly tokens: readonly string[];
  /** The log probabilities of its tokens, if requested. */
  readonly logprobs?: readonly TokenLogprob[];
  readonly finishReason: 'stop' | 'length';
  readonly fate: Fate;
  /** Luck for the machine. */
  readonly latencyRandom: Random;
  /** Luck for the server itself. */
  readonly random: Random;
}

/** The answers to the questions of a request. Each takes one token. */
export interface PreparedRead extends PreparedAnswer {
  /** Factor on the time that it takes. Default 1. */
  readonly workShare?: number;
  readonly reads: readonly ReadAnswer[];
}

/** Maximum number of prompts whose occurrences are counted. */
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
    const reading = readPrompt(request.text);
    const chances = this.#firstToken(request, reading, model, luck);
    const all = chances
      ? [chances.token, END_OF_ANSWER]
      : markFirst(tokenize(this.#answerText(request, reading, model, luck)), request);
    const limit = Math.min(request.maxTokens ?? Number.POSITIVE_INFINITY, roomFor(request, model));
    const tokens = all.slice(0, Math.max(0, limit));
    return {
      prompt: request.prompt,
      tokens,
      ...this.#logprobs(request, tokens, chances),
      finishReason: tokens.length < all.length ? 'length' : 'stop',
      fate: this.#isUnparsable(model.id, request.prompt.text)
        ? { kind: 'unparsable', afterTokens: tokens.length }
        : drawFate(this.#rates, luck('fate'), tokens.length),
      latencyRandom: luck('latency'),
      random: luck('server'),
    };
  }

  prepareRead(request: ReadRequest, model: SimulatedModel): PreparedRead {
    const luck = this.#luckOf(model.id, request.prompt.text);
    const reads = request.questions.map((question) => {
      const steady = this.#steadyLuckOf(model.id, `${request.state.text}${renderQuestion(question)}`);
      return answerQuestion(request.text, question, model, this.#rates, steady);
    });
    return {
      prompt: request.prompt,
      tokens: reads.map(() => ''),
      reads,
      finishReason: 'stop',
      fate: drawFate(this.#rates, luck('fate'), reads.length),
      latencyRandom: luck('latency'),
      random: luck('server'),
    };
  }

  /** The chances of the one token that a prompt asks for; undefined if it asks for more, or the model thinks first. */
  #firstToken(
    request: ChatRequest,
    reading: PromptReading,
    model: SimulatedModel,
    luck: Luck,
  ): TokenChances | undefined {
    if (!isLabelRead(request, reading)) return undefined;
    const thinks = request.mayThink && (model.thinkTokens > 0 || luck('wording').next() < this.#rates.think);
    if (thinks) return undefined;
    const steady = this.#steadyLuckOf(model.id, request.prompt.text);
    const probabilities = readDistribution(reading, model, steady('read'));
    const mass = labelMass(strayRate(this.#rates), steady('mass'));
    return chancesOfTokens(reading.labels, probabilities, mass);
  }

  #logprobs(
    { topLogprobs, schemaProperties }: ChatRequest,
    tokens: readonly string[],
    chances: TokenChances | undefined,
  ): Pick<PreparedAnswer, 'logprobs'> {
    if (topLogprobs === undefined) return {};
    return { logprobs: tokenLogprobs(tokens, topLogprobs, chances, schemaProperties !== undefined) };
  }

  /** A fault of the request itself: the same however often it is sent. */
  #isUnparsable(modelId: string, promptText: string): boolean {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    return forkRandom(this.#seed, `unparsable:${key}`).next() < this.#rates.unparsable;
  }

  /** Separate generators for the n-th time that this prompt is sent. */
  #luckOf(modelId: string, promptText: string): Luck {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    const occurrence = this.#occurrences.get(key) ?? 0;
    this.#occurrences.set(key, occurrence + 1);
    return (part) => forkRandom(this.#seed, `${occurrence}:${part}:${key}`);
  }

  /** The same generators each time: reads of a prompt err in the same way each time. */
  #steadyLuckOf(modelId: string, text: string): Luck {
    const key = hash('sha1', `${modelId}\n${text}`);
    return (part) => forkRandom(this.#seed, `${part}:${key}`);
  }

  #answerText(request: ChatRequest, reading: PromptReading, model: SimulatedModel, luck: Luck): string {
    const { schemaProperties } = request;
    const mayThink = schemaProperties === undefined || isThoughtAsked(schemaProperties);
    const opinion = formOpinion(reading, mayThink ? model.skill : model.hastySkill, luck('opinion'));
    if (opinion === undefined) return smallTalk(request.text);
    if (schemaProperties !== undefined) return wordBySchema(opinion, schemaProperties);
    const rates = request.mayThink ? this.#rates : { ...this.#rates, think: 0 };
    const answer = wordAnswer(opinion, reading, rates, luck('wording'));
    if (!request.mayThink) return answer;
    const thinking = luck('thinking');
    if (thinking.next() < this.#rates.runaway) return endlessThought(model.contextTokens);
    return model.thinkTokens === 0 ? answer : longThought(thinkingTokens(model, thinking)) + answer;
  }
}

/** A separate generator for each part of an answer. */
type Luck = (part: string) => Random;

/** Ends an answer of one token. If only one token is allowed, the limit ends the answer instead. */
const END_OF_ANSWER = '';

/** A request for the chances of one token reads a label, whatever the prompt asks for after it. */
function isLabelRead({ topLogprobs, maxTokens, schemaProperties }: ChatRequest, reading: PromptReading): boolean {
  if (schemaProperties !== undefined || reading.labels.length === 0) return false;
  return reading.asksLabel || (topLogprobs !== undefined && maxTokens === 1);
}

/** If tokens are reported, the mark that begins a thought is one of them. */
function markFirst(tokens: readonly string[], { topLogprobs }: ChatRequest): readonly string[] {
  const [first, second] = tokens;
  const isMark = topLogprobs !== undefined && `${first}${second}` === '<think>';
  return isMark ? ['<think>', ...tokens.slice(2)] : tokens;
}

/** Number of tokens that the context leaves for an answer. */
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
