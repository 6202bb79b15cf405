/** The probabilities of possible first tokens of an answer, and how chats report them. Pure. */
export interface TokenChances {
  /** The most probable token, which is written. */
  readonly token: string;
  /** The whole vocabulary, most probable first. */
  readonly vocabulary: readonly TokenChance[];
}

interface TokenChance {
  readonly token: string;
  readonly probability: number;
}

/** A token in the form of `choices[].logprobs.content[]`. */
export interface TokenLogprob extends TokenAlternative {
  readonly top_logprobs: readonly TokenAlternative[];
}

interface TokenAlternative {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** First tokens of answers that do not start with a label. */
const OTHER_WORDS = ['The', '**', 'I', '\n', 'Based', '<', 'Action', 'To', ' ', '"', 'Given', '#', 'We', '(', '{'];
/** Size of the vocabulary: small, but more than a client can use. The tail of a real one is negligible. */
const VOCABULARY_TOKENS = 600;
/** The probability of each other token, as a share of the one before it. */
const TAIL_FALL = 0.75;

/** `mass` is the share of the probability that lies on the labels; the rest is on other words. */
export function chancesOfTokens(
  labels: readonly string[],
  probabilities: readonly number[],
  mass: number,
): TokenChances {
  const chances = new Map<string, number>();
  for (const [index, label] of labels.entries()) add(chances, firstTokenOf(label), mass * (probabilities[index] ?? 0));
  const others = otherTokens(labels);
  const weights = others.map((_, index) => Math.max(TAIL_FALL ** index, 1e-9));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [index, token] of others.entries()) add(chances, token, ((1 - mass) * (weights[index] as number)) / sum);
  const vocabulary = [...chances].map(([token, probability]) => ({ token, probability }));
  vocabulary.sort((a, b) => b.probability - a.probability);
  return { token: vocabulary[0]?.token ?? '', vocabulary };
}

function add(chances: Map<string, number>, token: string, probability: number): void {
  chances.set(token, (chances.get(token) ?? 0) + probability);
}

/** Numbers are written digit by digit, so 1, 10 and 17 start with the same token. */
function firstTokenOf(label: string): string {
  return label.charAt(0);
}

function otherTokens(labels: readonly string[]): string[] {
  const used = new Set(labels.map(firstTokenOf));
  const words = OTHER_WORDS.filter((word) => !used.has(word));
  const rest = VOCABULARY_TOKENS - used.size - words.length;
  return [...words, ...Array.from({ length: rest }, (_, index) => ` tok${index}`)];
}

/**
 * The report for each written token, with `top` alternatives. Under a schema the values are those after its rules: 1 for what is written and 0 for
 * all else, which says nothing about the model.
 */
export function tokenLogprobs(
  tokens: readonly string[],
  top: number,
  first: TokenChances | undefined,
  isConstrained: boolean,
): TokenLogprob[] {
  const chance = isConstrained ? 1 : CERTAIN;
  return tokens.map((token, index) =>
    index === 0 && first ? told(token, first.vocabulary, top) : told(token, certainOf(token, chance, top), top),
  );
}

/** The chances at a nearly certain token, as most tokens in the middle of a text are. */
function certainOf(token: string, chance: number, top: number): TokenChance[] {
  const others = NO_LABELS.vocabulary.filter((other) => other.token !== token).slice(0, top);
  const rest = others.map((other) => ({ ...other, probability: (1 - chance) * other.probability }));
  return [{ token, probability: chance }, ...rest];
}

const CERTAIN = 0.95;
const NO_LABELS = chancesOfTokens([], [], 0);

function told(token: string, vocabulary: readonly TokenChance[], top: number): TokenLogprob {
  const probability = vocabulary.find((chance) => chance.token === token)?.probability ?? 0;
  return { ...alternative({ token, probability }), top_logprobs: vocabulary.slice(0, top).map(alternative) };
}

function alternative({ token, probability }: TokenChance): TokenAlternative {
  const logprob = probability > 0 ? Math.log(probability) : LOG_OF_ZERO;
  return { token, logprob, bytes: [...Buffer.from(token)] };
}

/** JSON has no infinity. */
const LOG_OF_ZERO = -3.4028234663852886e38;
