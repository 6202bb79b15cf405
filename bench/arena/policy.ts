import type { Random } from '../../src/shared/random.ts';
import { forkRandom } from '../../src/shared/random.ts';
import type { PreparedAnswer, PreparedRead } from '../../src/workers/simulator/answer.ts';
import type { ChatRequest } from '../../src/workers/simulator/chat-request.ts';
import { type PromptReading, readPrompt } from '../../src/workers/simulator/prompt-reader.ts';
import { preferenceOf } from '../../src/workers/simulator/reads/distribution.ts';
import type { ReadRequest } from '../../src/workers/simulator/reads/read-request.ts';
import { wordBySchema } from '../../src/workers/simulator/wording.ts';
import type { Desk } from '../../test/sim/virtual-server.ts';
import { luckOf, type World } from './world.ts';

/*
 * The model of the arena: a policy of known skill. Four of five of its answers are right. One answer in twenty is drawn at
 * random; of all that is wrong, half belongs to the state, where every asking gets the same wrong answer, and half to the call. It
 * is told nothing but the prompt. All its luck comes from the seed, the state and how often that state was asked about, so that
 * players who ask the same get the same. A synthesizer goes with the most of the opinions it is shown and its own.
 */
const RANDOM_SHARE = 0.05;
const STATE_ERRORS = 0.1;
/** Of the answers that are not drawn at random. With five actions it makes 80 % of all right. */
const CALL_ERRORS = 0.076;
/** The probability of the action that is read; the others share the rest. It says nothing of whether the action is right. */
const READ_PROBABILITY = 0.8;
/** In so many pieces every answer is written. */
const PIECES = 6;

export const MODEL_ID = 'policy';

/** What reads of the model are like. */
export interface ReadKind {
  /** The time of a read, relative to a written call. */
  readonly share: number;
  /** 1: as good as one written vote. 0: noise. Between them, this share of the states is read as well as that. */
  readonly skill: number;
  /** How much reads prefer some places of the list: the spread of a fixed logit for each. Default 0. */
  readonly labelBias?: number;
}

/**
 * What is read for a prompt: each time the same, whatever the role, because roles of one model err alike. `tried` is what the
 * prompt says was tried in vain. Its errors of a call are its own.
 */
export function readChoice(
  world: World,
  seed: number,
  values: readonly number[],
  legal: readonly string[],
  tried: string,
  skill: number,
): string {
  const key = `${world.key(values)} ${tried}`;
  if (luckOf(seed, `reads ${key}`) < skill) return policyChoice(world, seed, values, legal, `read ${tried}`);
  return legal[Math.floor(luckOf(seed, `reads noise ${key}`) * legal.length)] as string;
}

/** What the model says about a state when it is asked for the n-th time. */
export function policyChoice(
  world: World,
  seed: number,
  values: readonly number[],
  legal: readonly string[],
  nth: number | string,
): string {
  const key = world.key(values);
  const call = forkRandom(seed, `call ${nth} ${key}`);
  call.next();
  const lucks = [call.next(), call.next(), call.next()] as const;
  if (lucks[0] < RANDOM_SHARE) return legal[Math.floor(lucks[1] * legal.length)] as string;
  const best = world.best(values);
  const wrong = legal.filter((action) => action !== best);
  if (wrong.length === 0) return best;
  if (lucks[1] < CALL_ERRORS) return wrong[Math.floor(lucks[2] * wrong.length)] as string;
  if (luckOf(seed, `errs ${key}`) >= STATE_ERRORS && legal.includes(best)) return best;
  return wrong[Math.floor(luckOf(seed, `wrong ${key}`) * wrong.length)] as string;
}

/** Answers the planner's own prompts by the policy. */
export class PolicyDesk implements Desk {
  readonly #world: World;
  readonly #seed: number;
  readonly #asked = new Map<string, number>();
  /** Absent if it is only asked in words. */
  readonly prepareRead: Desk['prepareRead'];

  constructor(world: World, seed: number, reads?: ReadKind) {
    this.#world = world;
    this.#seed = seed;
    this.prepareRead = reads && ((request) => this.#read(request, reads));
  }

  /** One read asks as many questions as it has roles, and takes the time of one. */
  #read({ text, prompt, questions }: ReadRequest, { share, skill, labelBias = 0 }: ReadKind): PreparedRead {
    const { situation, inVain } = readPrompt(text);
    const values = this.#world.read(situation);
    const tried = [...inVain].sort().join(' ');
    const key = values === undefined ? '' : this.#world.key(values);
    const nth = this.#countOf(`read ${key}`);
    const reads = questions.map((question) => {
      const legal = question.options.map(({ value, description }) => description ?? String(value));
      const choice = values && readChoice(this.#world, this.#seed, values, legal, tried, skill);
      const other = (1 - READ_PROBABILITY) / Math.max(1, legal.length - 1);
      const weights = legal.map((action, place) => {
        const preference = labelBias * preferenceOf(`${MODEL_ID} ${this.#seed}`, place);
        return (action === choice ? READ_PROBABILITY : other) * Math.exp(preference);
      });
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return { question, probabilities: weights.map((weight) => weight / sum), mass: 1 };
    });
    return {
      prompt,
      tokens: Array.from({ length: PIECES }, () => ''),
      workShare: share,
      reads,
      finishReason: 'stop',
      fate: { kind: 'answer' },
      latencyRandom: stirred(this.#seed, `read latency ${nth} ${key}`),
      random: stirred(this.#seed, `read server ${nth} ${key}`),
    };
  }

  #countOf(key: string): number {
    const nth = this.#asked.get(key) ?? 0;
    this.#asked.set(key, nth + 1);
    return nth;
  }

  prepare(request: ChatRequest): PreparedAnswer {
    const reading = readPrompt(request.text);
    const values = this.#world.read(reading.situation);
    const key = values === undefined ? '' : this.#world.key(values);
    const nth = this.#countOf(key);
    const action =
      values === undefined
        ? (reading.actions[0] ?? '')
        : merged(policyChoice(this.#world, this.#seed, values, reading.actions, nth), reading);
    return {
      prompt: request.prompt,
      tokens: inPieces(worded(action, reading, request.schemaProperties)),
      finishReason: 'stop',
      fate: { kind: 'answer' },
      latencyRandom: stirred(this.#seed, `latency ${nth} ${key}`),
      random: stirred(this.#seed, `server ${nth} ${key}`),
    };
  }
}

function stirred(seed: number, name: string): Random {
  const random = forkRandom(seed, name);
  random.next();
  return random;
}

/** The most of all opinions; its own where several have the most. */
function merged(own: string, { opinions }: PromptReading): string {
  const count = (action: string): number =>
    opinions.filter((opinion) => opinion.action === action).length + (action === own ? 1 : 0);
  return opinions.reduce((most, { action }) => (count(action) > count(most) ? action : most), own);
}

const REASON = 'It fits the situation better than the other options.';

function worded(action: string, reading: PromptReading, properties: ChatRequest['schemaProperties']): string {
  const index = reading.actions.indexOf(action);
  if (properties === undefined) return `${index + 1}\n${REASON}`;
  return wordBySchema({ index: Math.max(index, 0), action, reason: REASON, confidence: 0.8 }, properties);
}

/** The choice stands at the end of the second piece. */
function inPieces(text: string): string[] {
  const size = Math.ceil(text.length / PIECES);
  return Array.from({ length: PIECES }, (_, i) => text.slice(i * size, (i + 1) * size));
}
