/**
 * The content of a prompt as the simulated expert understands it: the blocks that `shared/situation.ts` and `workers/prompt.ts` write, found by their
 * headings. The prompt is its only source. Prompts without such blocks have no actions.
 */
export interface PromptReading {
  /** Values by label, such as `health: 41`; labels in lower case. */
  readonly situation: ReadonlyMap<string, string>;
  readonly actions: readonly string[];
  /** True if the actions are numbered, so that a number is asked for. */
  readonly isNumbered: boolean;
  /** The labels of the actions: numbers from 1 or letters from A. Empty if the actions have none. */
  readonly labels: readonly string[];
  /** True if the answer should be a label and nothing else. */
  readonly asksLabel: boolean;
  readonly values: ReadonlyMap<string, number>;
  /** Name and text of the role, if there is one. */
  readonly role: { readonly name: string; readonly text: string } | undefined;
  readonly opinions: readonly ExpertOpinion[];
  /** Actions that have been tried in this situation without effect. */
  readonly inVain: ReadonlySet<string>;
}

export interface ExpertOpinion {
  readonly role: string;
  readonly action: string;
  readonly reason: string;
}

const HEADING =
  /^(SITUATION|NOW|ACTIONS|OPTIONS|VALUES|TRIED WITHOUT EFFECT|ANSWER|YOUR ROLE|EXPERT OPINIONS|YOUR TASK)\b(?:\s*\([^)]*\))?\s*:?\s*(.*)$/;

interface Section {
  /** The text after the heading on its line. */
  readonly rest: string;
  readonly lines: string[];
}

function sectionsOf(text: string): Map<string, Section> {
  const sections = new Map<string, Section>();
  let current: Section | undefined;
  for (const line of text.split('\n')) {
    const heading = HEADING.exec(line);
    if (heading && !sections.has(heading[1] as string)) {
      current = { rest: heading[2] as string, lines: [] };
      sections.set(heading[1] as string, current);
    } else if (line.trim() !== '') {
      current?.lines.push(line.trim());
    }
  }
  return sections;
}

function readPairs(lines: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(': ');
    if (colon > 0) pairs.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2));
  }
  return pairs;
}

interface ActionList {
  readonly actions: readonly string[];
  readonly labels: readonly string[];
}

const LABELLED = /^\(?([A-Z]|\d{1,3})[.):]\s+(.*)$/;

/** Actions with labels in order if all lines have them, else their names. */
function readActions(lines: readonly string[]): ActionList {
  const parts = lines.map((line) => LABELLED.exec(line));
  const labels = parts.map((part) => part?.[1] ?? '');
  if (!isInOrder(labels)) return { actions: lines.map((line) => line.replace(/^- /, '')), labels: [] };
  return { actions: parts.map((part) => part?.[2] as string), labels };
}

function isInOrder(labels: readonly string[]): boolean {
  const isNumbers = labels[0] === '1';
  return labels.every((label, index) => label === (isNumbers ? String(index + 1) : LETTERS[index]));
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The last list of labelled lines in a text without headings; a single line does not count. */
function lastLabelledList(text: string): ActionList {
  const lines = text.split('\n').map((line) => line.trim());
  const last = lines.findLastIndex((line) => LABELLED.test(line));
  const first = lines.findLastIndex((line, index) => index < last && /^\(?[A1][.):]\s/.test(line));
  return first === -1 ? { actions: [], labels: [] } : readActions(lines.slice(first, last + 1));
}

const ASKS_LABEL =
  /\bonly (?:with )?(?:the|a|one|its) (?:single )?(?:number|letter|digit|label)\b|\b(?:number|letter|digit|label)\b[^.\n]{0,60}\b(?:only|nothing else)\b/i;
const ASKS_MORE = /second line|sentence|reason|json/i;
/** Prompts without a section on how to answer describe that at their end. */
const ASKING_CHARS = 600;

/** True if only a label is asked for: "only the number", "the letter of one action, and nothing else". */
function isLabelAsked(sections: ReadonlyMap<string, Section>, text: string): boolean {
  const answer = sections.get('ANSWER');
  const asking = answer === undefined ? text.slice(-ASKING_CHARS) : [answer.rest, ...answer.lines].join('\n');
  return ASKS_LABEL.test(asking) && !ASKS_MORE.test(asking);
}

/** If a label is asked for and the lines under the heading have none, any labelled list in the text is used. */
function listOf(sections: ReadonlyMap<string, Section>, text: string, asksLabel: boolean): ActionList {
  const told = readActions((sections.get('OPTIONS') ?? sections.get('ACTIONS'))?.lines ?? []);
  if (!asksLabel || told.labels.length > 0) return told;
  const other = lastLabelledList(text);
  return other.labels.length > 0 ? other : told;
}

/** `attack: 0.70`, or the label of the action: `1: 0.70`. An action may contain a colon, so the last one counts. */
function readValues(lines: readonly string[], { actions, labels }: ActionList): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of lines) {
    const pair = /^(.*):\s*(-?\d[\d.e+-]*)$/.exec(line);
    if (pair === null) continue;
    const named = pair[1] as string;
    values.set(actions[labels.indexOf(named)] ?? named, Number(pair[2]));
  }
  return values;
}

/** `- threat_assessment: block — The draugr is close.`, or with the number before or instead of the name. */
function readOpinion(line: string, actions: readonly string[]): ExpertOpinion | undefined {
  const parts = /^[-*]\s*([^:]+):\s*(.*)$/.exec(line);
  if (!parts) return undefined;
  const said = parts[2] as string;
  const numbered = /^#?(\d+)(?:[.):]\s*|\s+[—–-]|\s*$)/.exec(said);
  const named = actions.filter((action) => said.replace(/^#?\d+[.):]\s*/, '').startsWith(action));
  const byNumber = numbered ? actions[Number(numbered[1]) - 1] : undefined;
  const action = named.sort((a, b) => b.length - a.length)[0] ?? byNumber;
  if (action === undefined) return undefined;
  const reason = /\s[—–-]\s+(.*)$/.exec(said)?.[1] ?? '';
  return { role: parts[1] as string, action, reason };
}

export function readPrompt(text: string): PromptReading {
  const sections = sectionsOf(text);
  const role = sections.get('YOUR ROLE');
  const asksLabel = isLabelAsked(sections, text);
  const list = listOf(sections, text, asksLabel);
  const { actions, labels } = list;
  const opinions = (sections.get('EXPERT OPINIONS')?.lines ?? [])
    .map((line) => readOpinion(line, actions))
    .filter((opinion): opinion is ExpertOpinion => opinion !== undefined);
  return {
    situation: readPairs(['SITUATION', 'NOW'].flatMap((heading) => sections.get(heading)?.lines ?? [])),
    actions,
    isNumbered: labels[0] === '1',
    labels,
    asksLabel: asksLabel && labels.length > 0,
    values: readValues(sections.get('VALUES')?.lines ?? [], list),
    role: role === undefined ? undefined : { name: role.rest.trim(), text: role.lines.join(' ') },
    opinions,
    inVain: new Set(sections.get('TRIED WITHOUT EFFECT')?.lines ?? []),
  };
}
