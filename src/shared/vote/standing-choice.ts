import { ActionNames } from './action-names.ts';
import { cutJson } from './asked-json.ts';
import { fromHead, fromLabels } from './stated-choice.ts';
import { parseVoteOf, unwrap } from './vote-parser.ts';

/**
 * The choice that a streamed answer has already made, before its reason is written. It *stands* once its JSON value is
 * closed (1 is not yet 12) or the line that states it has ended, and what stands is what the parser would read if the
 * answer ended there. Prose is no statement, whatever it names. What is written later may contradict a choice: then it
 * stands no more. Nothing stands while the model is thinking.
 */

/** A choice that does not stand within this many characters of the answer is read with the whole answer. */
const READ_CHARS_MAX = 4_000;
const THOUGHT_TAG = /<(\/?)(?:think|thinking|thought|reasoning)>/gi;
const TAG_CHARS_MAX = '</reasoning>'.length;
/** "1. attack" may begin a list of the actions: the next line shows whether it does. */
const FIRST_OF_LIST = /^[ \t>*_#-]*1[.):][ \t]*\S/;
const NO_LIST = /^[^\s\d>*_#-]/;

/** Follows one answer as it grows. Each look costs a bounded time, whatever was written before. */
export class StandingChoice {
  readonly #actions: readonly string[];
  #names: ActionNames | undefined;
  #scannedTo = 0;
  #isThinking = false;
  /** What was written outside of thoughts, up to the last tag. */
  #kept = '';
  /** Where the rest of it begins. */
  #from = 0;
  /** What was looked at last. */
  #read = '';
  #action: string | undefined;

  constructor(actions: readonly string[]) {
    this.#actions = actions;
  }

  /** The action whose choice stands in this answer; `content` begins with what was given before. */
  look(content: string): string | undefined {
    this.#scan(content);
    const text = this.#visible(content).trimStart();
    const read = text.startsWith('{') ? endedValues(text) : endedLines(text);
    if (read === this.#read) return this.#action;
    this.#read = read;
    this.#names ??= new ActionNames(this.#actions);
    this.#action = isStated(read, this.#names) ? votedIn(read, this.#names) : undefined;
    return this.#action;
  }

  /** Each tag of a thought is seen once, also one that came in two pieces. */
  #scan(content: string): void {
    const start = Math.max(this.#from, this.#scannedTo - TAG_CHARS_MAX);
    for (const tag of content.slice(start).matchAll(THOUGHT_TAG)) {
      const at = start + tag.index;
      if (tag[1] === '/') {
        if (!this.#isThinking) this.#kept = '';
      } else if (!this.#isThinking) {
        this.#kept = `${this.#kept}${content.slice(this.#from, at)} `.slice(0, READ_CHARS_MAX);
      }
      this.#from = at + tag[0].length;
      this.#isThinking = tag[1] !== '/';
    }
    this.#scannedTo = content.length;
  }

  #visible(content: string): string {
    if (this.#isThinking) return '';
    return (this.#kept + content.slice(this.#from, this.#from + READ_CHARS_MAX)).slice(0, READ_CHARS_MAX);
  }
}

/** A callback for each network read of an answer, that calls `onChoice` when the action that stands has changed. */
export function watchAnswer(
  actions: readonly string[],
  onChoice: (action: string | undefined) => void,
): (content: string) => void {
  const standing = new StandingChoice(actions);
  let told: string | undefined;
  return (content) => {
    const action = standing.look(content);
    if (action === told) return;
    told = action;
    onChoice(action);
  };
}

/** Of JSON as much as may state anything: to the last quote, comma or brace, or number with white space after it. */
function endedValues(text: string): string {
  for (let at = text.length - 1; at >= 0; at--) {
    const char = text[at] as string;
    if (char === '"' || char === ',' || char === '}') return text.slice(0, at + 1);
    if (char <= ' ' && isDigit(text[at - 1])) return text.slice(0, at + 1);
  }
  return '';
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9';
}

/** The lines that have ended, where the first of them is not, as far as can be told, the first of a list. */
function endedLines(text: string): string {
  const ended = text.slice(0, text.lastIndexOf('\n') + 1);
  const rest = text.slice(text.indexOf('\n') + 1).trimStart();
  return FIRST_OF_LIST.test(ended) && !NO_LIST.test(rest) ? '' : ended;
}

function isStated(read: string, names: ActionNames): boolean {
  if (read.startsWith('{')) return cutJson(read)?.choice !== undefined;
  const text = unwrap(read);
  // Of objects in a text, the parser reads other keys and other places once they are closed.
  if (text === '' || text.includes('{')) return false;
  return fromHead(text, names) !== undefined || fromLabels(text, names) !== undefined;
}

function votedIn(read: string, names: ActionNames): string | undefined {
  const parsed = parseVoteOf(read, names);
  return parsed.kind === 'vote' ? parsed.vote.action : undefined;
}
