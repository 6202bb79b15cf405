import { defined } from '../../../shared/defined.ts';
import type { CallReport } from '../../../shared/tasks.ts';

/**
 * Tokens of calls whose server did not tell them. A stream that is cut because its vote stands, which most of them are, ends
 * before the event that has the usage. What was written is counted in the chunks that came, mostly one a token; what was read
 * is the length of the prompt by the model's own ratio of tokens to characters, learned from the calls that were told.
 */
export class TokenRatios {
  readonly #ratios = new Map<string, Ratio>();

  /** The report with tokens that are told or estimated, and which of them are. Learns from what is told. */
  counted(model: string, report: CallReport): CallReport {
    const { promptTokens, completionTokens, promptChars, chunks } = report;
    if (promptTokens !== undefined && promptChars) this.#learn(model, promptChars, promptTokens);
    const prompt = promptTokens === undefined && promptChars ? this.#tokensOf(model, promptChars) : undefined;
    const completion = completionTokens === undefined && chunks ? chunks : undefined;
    if (prompt === undefined && completion === undefined) return report;
    return {
      ...report,
      ...defined({ promptTokens: prompt, completionTokens: completion }),
      estimated: prompt === undefined ? 'completion' : completion === undefined ? 'prompt' : 'both',
    };
  }

  #tokensOf(model: string, chars: number): number {
    const known = this.#ratios.get(model);
    return Math.max(1, Math.round(known === undefined ? chars / CHARS_A_TOKEN : (chars * known.tokens) / known.chars));
  }

  #learn(model: string, chars: number, tokens: number): void {
    if (this.#ratios.size >= MODELS_MAX && !this.#ratios.has(model)) this.#ratios.clear();
    const { chars: before = 0, tokens: beforeTokens = 0 } = this.#ratios.get(model) ?? {};
    this.#ratios.set(model, { chars: before * MEMORY + chars, tokens: beforeTokens * MEMORY + tokens });
  }
}

/** Of all calls of a model that were told, the latest ones most. */
interface Ratio {
  readonly chars: number;
  readonly tokens: number;
}

/** Of English text, while nothing is known of a model. */
const CHARS_A_TOKEN = 4;
const MEMORY = 0.95;
const MODELS_MAX = 256;
