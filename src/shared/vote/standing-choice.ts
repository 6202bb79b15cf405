import { ActionNames } from './action-names.ts';
import { cutJson } from './asked-json.ts';
import { asciiDigits } from './numerals.ts';
import { fromHead, fromLabels } from './stated-choice.ts';
import { ThoughtScan } from './thoughts.ts';
import { isVoteComplete, parseVoteOf, unwrap, withoutTokens } from './vote-parser.ts';

/**
 * Finds the choice that a streamed answer has already made, before its reason is written. It *stands* once its JSON value is
 * closed (1 is not yet 12) or the line that states it has ended, and is what the parser would read if the answer ended there.
 * Prose is no statement, whatever it names. Later text may contradict a choice: then it no longer stands. Nothing stands while
 * the model is thinking.
 */

/** Number of characters within which a choice can stand. A later choice is read with the whole answer. */
const READ_CHARS_MAX = 4_000;
/** Matches "1. attack", which may begin a list of the actions: the next line shows whether it does. */
const FIRST_OF_LIST = /^[ \t>*_#-]*1[.):。．、：）][ \t]*\S/;
const NO_LIST = /^[^\s\p{Nd}>*_#-]/u;

/** Follows one answer as it grows. The time of each look is bounded, however long the answer is. */
export class StandingChoice {
  readonly #actions: readonly string[];
  #names: ActionNames | undefined;
  readonly #thoughts = new ThoughtScan(READ_CHARS_MAX);
  /** The text examined last. */
  #read = '';
  #action: string | undefined;

  constructor(actions: readonly string[]) {
    this.#actions = actions;
  }

  /** Returns the action that stands in this answer; `content` begins with what was given before. */
  look(content: string): string | undefined {
    // The form asked for is read as it is, even if something after it is marked as a thought.
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

/** Returns a callback for each network read of an answer; it calls `onChoice` when the standing action has changed. */
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

/** Returns the part of JSON that may state anything: to the last quote, comma or brace, or number with white space after it. */
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

/** Returns the lines that have ended, unless the first of them may be the first line of a list. */
function endedLines(text: string): string {
  const ended = text.slice(0, text.lastIndexOf('\n') + 1);
  const rest = text.slice(text.indexOf('\n') + 1).trimStart();
  return FIRST_OF_LIST.test(asciiDigits(ended)) && !NO_LIST.test(rest) ? '' : ended;
}

function isStated(read: string, names: ActionNames): boolean {
  if (read.startsWith('{')) return cutJson(read)?.choice !== undefined;
  const text = unwrap(read);
  // In a text with objects, the parser reads other keys and places once the objects are closed.
  if (text === '' || text.includes('{')) return false;
  return fromHead(text, names) !== undefined || fromLabels(text, names) !== undefined;
}

function votedIn(read: string, names: ActionNames): string | undefined {
  const parsed = parseVoteOf(read, names);
  return parsed.kind === 'vote' ? parsed.vote.action : undefined;
}
