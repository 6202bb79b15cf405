import { ActionNames } from './action-names.ts';
import { cutJson } from './asked-json.ts';
import { asciiDigits } from './numerals.ts';
import { fromHead, fromLabels } from './stated-choice.ts';
import { ThoughtScan } from './thoughts.ts';
import { isVoteComplete, parseVoteOf, unwrap, withoutTokens } from './vote-parser.ts';

/**
 * The choice that a streamed answer has already made, before its reason is written. It *stands* once its JSON value is
 * closed (1 is not yet 12) or the line that states it has ended, and what stands is what the parser would read if the
 * answer ended there. Prose is no statement, whatever it names. What is written later may contradict a choice: then it
 * stands no more. Nothing stands while the model is thinking.
 */

/** A choice that does not stand within this many characters of the answer is read with the whole answer. */
const READ_CHARS_MAX = 4_000;
/** "1. attack" may begin a list of the actions: the next line shows whether it does. */
const FIRST_OF_LIST = /^[ \t>*_#-]*1[.):。．、：）][ \t]*\S/;
const NO_LIST = /^[^\s\p{Nd}>*_#-]/u;

/** Follows one answer as it grows. Each look costs a bounded time, whatever was written before. */
export class StandingChoice {
  readonly #actions: readonly string[];
  #names: ActionNames | undefined;
  readonly #thoughts = new ThoughtScan(READ_CHARS_MAX);
  /** What was looked at last. */
  #read = '';
  #action: string | undefined;

  constructor(actions: readonly string[]) {
    this.#actions = actions;
  }

  /** The action whose choice stands in this answer; `content` begins with what was given before. */
  look(content: string): string | undefined {
    // What has the form asked for is read as it is, whatever is marked as a thought behind it.
    if (isVoteComplete(content)) return votedIn(content, ActionNames.of(this.#actions));
    const text = withoutTokens(this.#visible(content)).trimStart();
    const read = text.startsWith('{') ? endedValues(text) : endedLines(text);
    if (read === this.#read) return this.#action;
    this.#read = read;
    this.#names ??= ActionNames.of(this.#actions);
    this.#action = isStated(read, this.#names) ? votedIn(read, this.#names) : undefined;
    return this.#action;
  }

  #visible(content: string): string {
    const { isThinking, kept, from } = this.#thoughts.scan(content);
    if (isThinking) return '';
    return (kept + content.slice(from, from + READ_CHARS_MAX)).slice(0, READ_CHARS_MAX);
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
  return FIRST_OF_LIST.test(asciiDigits(ended)) && !NO_LIST.test(rest) ? '' : ended;
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
