import type { SimulatorOptions } from '../../src/workers/simulator/options.ts';

/**
 * The overloaded machine: one game computer that also serves the agent's models. Its parameters were chosen so that the
 * agent as it was (profile `unoptimized`, one agent) behaves as its recorded sessions do (48.7 % of its calls useful, 11.7 s
 * a plan, some 40 % of its calls out of time, plans of either a few seconds or of a timeout's length) and then frozen: the
 * same machine serves all profiles.
 *
 * What makes it fail is none of its speeds but what the field reports of such machines. It works on one request at a time.
 * Every second observation comes with a picture, and reading one takes longer than the agent's 15 seconds: the expert that
 * looks at it runs out of time, and so do the others, who stand behind it in the queue. Nothing is streamed, so the server
 * works on for callers who have left.
 */
export const OVERLOADED = {
  /** Ollama's default, and what it forces for many vision models. The planner is not told: it has to find out. */
  slots: 1,
  queueMax: 1_000,
  /** The game has the graphics card's memory, so pictures are encoded on the processor. */
  imageSeconds: 17.3,
  /** Text is quick: a small quantized model that still fits. */
  promptTokensPerSecond: 4_000,
  overheadSeconds: 0.15,
  /** The same work varies by a tenth. */
  latencySigma: 0.1,
  /**
   * Servers of late 2026 tell the probabilities of options, by System One or as log probabilities of a token. What is read is taken to be
   * as good as what the same model writes without a thought, and no better: nothing that was published compares them for such models.
   * The section `text` sweeps that downward.
   */
  reads: ['systemone', 'logprobs'],
  /** A stream that was given up is noticed at the next token. */
  abortSeconds: 0.04,
  rates: {
    /** Small models name actions that nobody offered, in 1 to 10 of 100 answers (FIELD.md, section 2), */
    illegal: 0.065,
    /** talk without choosing, */
    rambling: 0.03,
    /** answer nothing, */
    empty: 0.02,
    /** or name two actions. Together one answer in eight is useless unless a schema binds it. */
    ambiguous: 0.01,
    oddFormat: 0.1,
    /** Thinking is in `thinkTokens`. */
    think: 0,
  },
} as const satisfies SimulatorOptions;

const MODEL = {
  tokensPerSecond: 100,
  /** They think a line or two before they answer, some of them more. */
  thinkTokens: 10,
  thinkSigma: 0.6,
} as const;

/**
 * How much reads prefer some labels whatever these stand for: the spread of a logit that each place of the list has once for each model, the same
 * for all roles. Zheng et al. (2024, "Large Language Models Are Not Robust Multiple Choice Selectors") found such a preference in all of 20 models, mostly for the
 * label as a token: the accuracy of a strong one falls by six points if the right answer has the last label, that of others changes by tens.
 * Pezeshkpour and Hruschka (2024) find 13 to 85 points between the best and the worst order of the options. A spread of 0.4 is the difference between being found in
 * two thirds and in two fifths of the cases; small models, which agents read, have more. How much more is not published, so 1 is the upper end, swept
 * downward to none by the section `bias`. Written votes have none: a thought of a line weighs the actions by name, and `skill` holds whatever else misleads
 * them. The other sections have none either, so that their figures stay comparable.
 */
export const LABEL_BIASES = [1, 0.5, 0] as const;

/** Four small models, one for each expert, as the agent had; the first two also merge what the others said. */
export const MODELS = [
  { id: 'microsoft/phi-4-mini-reasoning', skill: 0.78, ...MODEL },
  { id: 'mistralai/mistral-nemo-instruct-2407', skill: 0.82, ...MODEL },
  { id: 'qwen/qwen3-4b', skill: 0.74, ...MODEL },
  { id: 'google/gemma-3-4b', skill: 0.72, vision: true, ...MODEL },
] as const satisfies SimulatorOptions['models'];

/** Of the observations, those with a picture. */
export const PICTURE_SHARE = 0.5;

/** What was recorded of the agent as it was, and how near the scenario has to come, as a share of each value. */
export const BASELINE = { llmSuccess: 0.487, meanSeconds: 11.7, timeouts: 0.4, tolerance: 0.1 } as const;
