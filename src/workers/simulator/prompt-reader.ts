/**
 * What the simulated expert understands of a prompt: the blocks that `shared/situation.ts` and `workers/prompt.ts` write,
 * found by their headings. Nothing is told to it aside from the prompt. Prompts without such blocks have no actions.
 */
export interface PromptReading {
  /** Label to value, as in `health: 41`, lower case labels. */
  readonly situation: ReadonlyMap<string, string>;
  readonly actions: readonly string[];
  /** Whether the actions stand numbered, so that a number is asked for. */
  readonly isNumbered: boolean;
  readonly values: ReadonlyMap<string, number>;
  /** Name and text of the role, where there is one. */
  readonly role: { readonly name: string; readonly text: string } | undefined;
  readonly opinions: readonly ExpertOpinion[];
  /** What has been tried in this situation and changed nothing. */
  readonly inVain: ReadonlySet<string>;
}

export interface ExpertOpinion {
  readonly role: string;
  readonly action: string;
  readonly reason: string;
}

const HEADING =
  /^(SITUATION|ACTIONS|VALUES|TRIED WITHOUT EFFECT|ANSWER|YOUR ROLE|EXPERT OPINIONS|YOUR TASK)\b(?:\s*\([^)]*\))?\s*:?\s*(.*)$/;

interface Section {
  /** What follows the heading on its line. */
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

function readActions(lines: readonly string[]): { actions: string[]; isNumbered: boolean } {
  const isNumbered = lines.length > 0 && lines.every((line, index) => line.startsWith(`${index + 1}. `));
  const actions = lines.map((line) => line.replace(isNumbered ? /^\d+\. / : /^- /, ''));
  return { actions, isNumbered };
}

/** `attack: 0.70`; an action may have a colon in it, so the last one counts. */
function readValues(lines: readonly string[]): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of lines) {
    const pair = /^(.*):\s*(-?\d[\d.e+-]*)$/.exec(line);
    if (pair) values.set(pair[1] as string, Number(pair[2]));
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
  const { actions, isNumbered } = readActions(sections.get('ACTIONS')?.lines ?? []);
  const opinions = (sections.get('EXPERT OPINIONS')?.lines ?? [])
    .map((line) => readOpinion(line, actions))
    .filter((opinion): opinion is ExpertOpinion => opinion !== undefined);
  return {
    situation: readPairs(sections.get('SITUATION')?.lines ?? []),
    actions,
    isNumbered,
    values: readValues(sections.get('VALUES')?.lines ?? []),
    role: role === undefined ? undefined : { name: role.rest.trim(), text: role.lines.join(' ') },
    opinions,
    inVain: new Set(sections.get('TRIED WITHOUT EFFECT')?.lines ?? []),
  };
}
