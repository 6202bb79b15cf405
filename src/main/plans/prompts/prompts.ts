import type { Domain } from '../../../shared/domain.ts';
import { type Preamble, renderSystem, type Situation } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { Seat } from '../../models/seat.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import { type PreambleParts, Preambles } from './preambles.ts';
import { type FittedSituation, fitted, situationChars } from './prompt-fit.ts';
import { StreamOrder } from './stream-order.ts';

/** Share of a model's context that an answer may claim; a longer one is cut by its server. */
const ANSWER_SHARE = 0.25;
/** Share of what is left that a prompt may fill: the count is an estimate, and the server adds marks of its own. */
const FILL_SHARE = 0.9;
/** A situation needs about this many characters at least. */
const SITUATION_CHARS_MIN = 600;

/** What a model is sent. */
export interface Fit extends FittedSituation {
  readonly preamble: Preamble;
}

export interface PromptsParts extends PreambleParts {
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
}

/** What all flights of a planner know about prompts. */
export class Prompts {
  readonly preambles: Preambles;
  readonly order: StreamOrder;
  readonly #endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly #options: ResolvedOptions;

  constructor(parts: PromptsParts) {
    this.preambles = new Preambles(parts);
    this.order = new StreamOrder(parts.options.domain);
    this.#endpoints = parts.endpoints;
    this.#options = parts.options;
  }

  /**
   * Shortens a situation if its prompt would be longer than the planner allows, or than the model's context. If there is hardly room
   * beside all roles of its seat, the prompt describes only those that are asked.
   */
  fitted(seat: Seat, situation: Situation, preamble: Preamble, asked: readonly string[], answerTokens: number): Fit {
    const charsMax = this.#charsMax(seat, answerTokens);
    if (charsMax === Number.POSITIVE_INFINITY) return { preamble, situation };
    const { domain } = this.#options;
    const isTight = charsMax - systemChars(domain, preamble) < SITUATION_CHARS_MIN;
    const begins = isTight ? { ...preamble, roles: asked } : preamble;
    return { preamble: begins, ...fitted(domain, situation, charsMax - systemChars(domain, begins)) };
  }

  /** Learns from the refusal of a prompt that is too long: its server says how many tokens it has. */
  ended({ endpoint, model }: Seat, { preamble, situation }: Fit, result: ExpertResult): void {
    if (result.ok || result.error.code !== 'ERR_MODEL_REJECTED' || !/context/i.test(result.error.message)) return;
    const told = [...result.error.message.matchAll(/(\d+) tokens/g)].map(([, count]) => Number(count));
    const { domain } = this.#options;
    const chars = systemChars(domain, preamble) + situationChars(domain, situation);
    if (told.length > 0) this.#endpoints.get(endpoint)?.learnTokens(model, chars, Math.max(...told));
  }

  #charsMax({ endpoint, model }: Seat, answerTokens: number): number {
    const at = this.#endpoints.get(endpoint);
    const contextLength = at?.facts.models.find(({ id }) => id === model)?.contextLength;
    const room =
      contextLength === undefined
        ? Number.POSITIVE_INFINITY
        : FILL_SHARE * (contextLength - Math.min(answerTokens, ANSWER_SHARE * contextLength));
    const tokensMax = Math.min(room, this.#options.prompt.tokensMax ?? Number.POSITIVE_INFINITY);
    return at === undefined ? Number.POSITIVE_INFINITY : Math.floor(at.charsOf(model, tokensMax));
  }
}

const lengths = new WeakMap<Domain, Map<string, number>>();

/** The length of the first message, which is the same for all prompts with this preamble. */
function systemChars(domain: Domain, preamble: Preamble): number {
  const known = lengths.get(domain) ?? new Map<string, number>();
  lengths.set(domain, known);
  const key = JSON.stringify(preamble);
  const chars = known.get(key) ?? renderSystem(domain, preamble).length;
  known.set(key, chars);
  return chars;
}
