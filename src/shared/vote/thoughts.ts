/**
 * Removes thoughts that a server left in an answer. Models mark them in many ways: HTML tags, brackets, tokens of their
 * templates, channels, or headings. A thought without an end leaves nothing after it; one without a start (its mark was the end
 * of the prompt) leaves nothing before its end. Linear: each mark is bounded, and is seen once.
 */

const NAMES =
  'think|thinking|thought|thoughts|reasoning|analysis|scratchpad|reflection|deliberation|inner_monologue|monologue|seed:think|longcat_think|cot|chain_of_thought';

/** Groups 1 and 2 are a slash if a tag or bracket ends a thought; 3 is the name of a channel. The others open or close. */
const MARK = new RegExp(
  [
    // <think>, </seed:think>, < think >
    `<\\s{0,3}(/?)\\s{0,3}(?:${NAMES})\\s{0,3}>`,
    // Kimi, Magistral
    '◁(/?)think▷',
    '\\[(/?)THINK\\]',
    // gpt-oss: everything except the channel `final` is thought. Its other tokens may be missing.
    '<\\|channel\\|?>\\s{0,3}([a-z_]{1,20})(?:\\s{0,3}<\\|constrain\\|>\\s{0,3}[a-z_]{0,20})?(?:\\s{0,3}<\\|message\\|>|(?=[^a-z_]))',
    // Gemma, Command A, Sky-T1, Apertus, and similar models
    '(<channel\\|>|<\\|(?:END_THINKING|end_of_thought|end_of_thinking|inner_suffix|thought_end|/think)\\|>|<unused95>|\\[unused17\\])',
    '(<\\|(?:START_THINKING|begin_of_thought|begin_of_thinking|inner_prefix|thought_start|think)\\|>|<unused94>|\\[unused16\\])',
    // gpt-oss without its tokens
    '(assistantfinal)',
    // Granite
    "(here(?: is|['’]s) my response:)",
    "(here(?: is|['’]s) my thought process:)",
  ].join('|'),
  'gi',
);
/** Part of every mark. Searching for it takes a fraction of the time of searching for the marks. */
const HINT = /[<◁[]|assistantfinal|here(?: is|['’]s) my/i;
const MARK_CHARS_MAX = 96;

/** Matches the head of a gpt-oss answer whose tokens were removed: "analysisWe have to choose". */
const BARE_ANALYSIS = /^\s*analysis(?=\p{Lu})/u;

/** Follows the thoughts of an answer as it grows. */
export class ThoughtScan {
  readonly #keptMax: number;
  #scannedTo = 0;
  isThinking = false;
  /** The text outside of thoughts, up to the last mark. */
  kept = '';
  /** Start of the text after the last mark. */
  from = 0;
  #hasMark = false;

  /** Keeps at most `keptMax` characters of the text before a mark. */
  constructor(keptMax = Number.POSITIVE_INFINITY) {
    this.#keptMax = keptMax;
  }

  /** Scans an answer; `content` begins with what was given before. Each mark is seen once, even if it came in two pieces. */
  scan(content: string): this {
    if (!this.#hasMark) this.isThinking = BARE_ANALYSIS.test(content.slice(0, MARK_CHARS_MAX));
    const start = Math.max(this.from, this.#scannedTo - MARK_CHARS_MAX);
    const fresh = content.slice(start);
    if (HINT.test(fresh)) for (const mark of fresh.matchAll(MARK)) this.#pass(content, start + mark.index, mark);
    this.#scannedTo = content.length;
    return this;
  }

  /** Whether a heading is ordinary text: it marks a thought only at the start of an answer. */
  #isProse(before: string, [, , , , , , , , response, thought]: RegExpExecArray): boolean {
    if (thought !== undefined) return this.isThinking || `${this.kept}${before}`.trim() !== '';
    return response !== undefined && !this.isThinking;
  }

  #pass(content: string, at: number, mark: RegExpExecArray): void {
    if (this.#isProse(content.slice(this.from, at), mark)) return;
    const ends = endsThought(mark);
    if (ends) {
      if (!this.isThinking || mark[4] !== undefined) this.kept = '';
    } else if (!this.isThinking) {
      this.kept = `${this.kept}${content.slice(this.from, at)} `.slice(0, this.#keptMax);
    }
    this.from = at + mark[0].length;
    this.isThinking = !ends;
    this.#hasMark = true;
  }
}

function endsThought([, tag, kimi, bracket, channel, close, , final, response]: RegExpExecArray): boolean {
  if (channel !== undefined) return channel.toLowerCase() === 'final';
  return (
    tag === '/' || kimi === '/' || bracket === '/' || [close, final, response].some((group) => group !== undefined)
  );
}

/** Returns a text without its thoughts. */
export function stripThinking(text: string): string {
  const { isThinking, kept, from } = new ThoughtScan().scan(text);
  return isThinking ? kept : kept + text.slice(from);
}
