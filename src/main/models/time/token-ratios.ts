import { defined } from '../../../shared/defined.ts';
import type { CallReport } from '../../../shared/tasks.ts';

/**
 * Estimates tokens of calls whose server did not report them. A stream that is cut because its vote is certain, as most are, ends
 * before the usage event. Completion tokens are counted as chunks, mostly one token each; prompt tokens are the prompt's length
 * by the model's own ratio of tokens to characters, learned from calls with reported usage.
 */
export class TokenRatios {
  readonly #ratios = new Map<string, Ratio>();

  /** The report with reported or estimated tokens, and which of them are estimates. Learns from reported tokens. */
  counted(model: string, report: CallReport): CallReport {
    const { promptTokens, completionTokens, promptChars, chunks } = report;
    if (promptTokens !== undefined && promptChars) this.learn(model, promptChars, promptTokens);
    const prompt = promptTokens === undefined && promptChars ? this.#tokensOf(model, promptChars) : undefined;
    const completion = completionTokens === undefined && chunks ? chunks : undefined;
    if (prompt === undefined && completion === undefined) return report;
    return {
      ...report,
      ...defined({ promptTokens: prompt, completionTokens: completion }),
      estimated: prompt === undefined ? 'completion' : completion === undefined ? 'prompt' : 'both',
    };
  }

  /** The characters that this many tokens of a prompt have, by what is known about the model. */
  charsOf(model: string, tokens: number): number {
    const known = this.#ratios.get(model);
    return known === undefined ? tokens * CHARS_A_TOKEN : (tokens * known.chars) / known.tokens;
  }

  #tokensOf(model: string, chars: number): number {
    const known = this.#ratios.get(model);
    return Math.max(1, Math.round(known === undefined ? chars / CHARS_A_TOKEN : (chars * known.tokens) / known.chars));
  }

  /** Records a prompt of this length. */
  learn(model: string, chars: number, tokens: number): void {
    if (this.#ratios.size >= MODELS_MAX && !this.#ratios.has(model)) this.#ratios.clear();
    const { chars: before = 0, tokens: beforeTokens = 0 } = this.#ratios.get(model) ?? {};
    this.#ratios.set(model, { chars: before * MEMORY + chars, tokens: beforeTokens * MEMORY + tokens });
  }
}

/** Sums over the calls of a model with reported tokens, weighted towards the latest. */
interface Ratio {
  readonly chars: number;
  readonly tokens: number;
}

/** Ratio for English text, while nothing is known about a model. */
const CHARS_A_TOKEN = 4;
const MEMORY = 0.95;
const MODELS_MAX = 256;
