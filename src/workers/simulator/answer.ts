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
  /** What is told of the tokens, where that is asked for. */
  readonly logprobs?: readonly TokenLogprob[];
  readonly finishReason: 'stop' | 'length';
  readonly fate: Fate;
  /** For the machine. */
  readonly latencyRandom: Random;
  /** For what the server itself draws. */
  readonly random: Random;
}

/** What the questions of a request are answered. Each takes one token. */
export interface PreparedRead extends PreparedAnswer {
  readonly reads: readonly ReadAnswer[];
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

  /** The chances of the one token that a prompt asks for; undefined where it asks for more, or the model thinks first. */
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

  /** The fault of the request: it is the same however often it is sent. */
  #isUnparsable(modelId: string, promptText: string): boolean {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    return forkRandom(this.#seed, `unparsable:${key}`).next() < this.#rates.unparsable;
  }

  /** Generators of their own for the n-th asking of this prompt. */
  #luckOf(modelId: string, promptText: string): Luck {
    const key = hash('sha1', `${modelId}\n${promptText}`);
    const occurrence = this.#occurrences.get(key) ?? 0;
    this.#occurrences.set(key, occurrence + 1);
    return (part) => forkRandom(this.#seed, `${occurrence}:${part}:${key}`);
  }

  /** The same for each asking of this prompt: what is read errs in the same way each time. */
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

/** Generators of their own for the parts of an answer. */
type Luck = (part: string) => Random;

/** Ends an answer of one token. Where only that one is allowed, the answer has its limit reached. */
const END_OF_ANSWER = '';

/** Whoever wants to know the chances of one token reads a label, whatever the prompt asks for after it. */
function isLabelRead({ topLogprobs, maxTokens, schemaProperties }: ChatRequest, reading: PromptReading): boolean {
  if (schemaProperties !== undefined || reading.labels.length === 0) return false;
  return reading.asksLabel || (topLogprobs !== undefined && maxTokens === 1);
}

/** Where tokens are told, the mark that begins a thought is one. */
function markFirst(tokens: readonly string[], { topLogprobs }: ChatRequest): readonly string[] {
  const [first, second] = tokens;
  const isMark = topLogprobs !== undefined && `${first}${second}` === '<think>';
  return isMark ? ['<think>', ...tokens.slice(2)] : tokens;
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
