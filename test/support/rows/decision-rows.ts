/** Requests for decisions that break a rule of their protocol, for every way in: with the code, the status over HTTP, and words of the message. */
export interface BadDecision {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly code: string;
  readonly status: number;
  readonly rule: string;
}

const INVALID = { code: 'ERR_REQUEST_INVALID', status: 400 } as const;
const TOO_LARGE = { code: 'ERR_MESSAGE_TOO_LARGE', status: 413, rule: 'must have at most 4194304 bytes' } as const;
const DANGER = { type: 'predicate', instructions: 'The player is in danger.' };
const CHOICE = { type: 'choice', name: 'next', instructions: 'What to do next?' };

const many = (count: number): string[] => Array.from({ length: count }, (_, nth) => `option ${nth}`);

function ask(name: string, more: object, rule: string): BadDecision {
  return { name, body: { model: 'm', input: 'hi', questions: [DANGER], ...more }, rule, ...INVALID };
}

function choice(name: string, values: readonly unknown[], rule: string): BadDecision {
  return ask(name, { questions: [{ ...CHOICE, choices: values.map((value) => ({ value })) }] }, rule);
}

function state(name: string, more: object, rule: string): BadDecision {
  const body = { model: 'm', state: 'x', questions: { q: { type: 'noul' } }, ...more };
  return { name: `System One: ${name}`, body, rule, ...INVALID };
}

function criteria(name: string, values: readonly string[]): BadDecision {
  const told = Object.fromEntries(values.map((value) => [value, null]));
  const questions = { q: { type: 'choice', criteria: told } };
  return state(name, { questions }, 'questions.q.criteria must have 2 to 255 options');
}

export const BAD_DECISIONS: readonly BadDecision[] = [
  ask('no questions', { questions: [] }, 'questions must have 1 to 400 members, got an empty list'),
  ask(
    '401 questions',
    { questions: Array.from({ length: 401 }, () => DANGER) },
    'questions must have 1 to 400 members, got a list of 401',
  ),
  choice('no options', [], 'questions[0].choices must have 2 to 255 members, got an empty list'),
  choice('one option', ['a'], 'questions[0].choices must have 2 to 255 members, got a list of 1'),
  choice('300 options', many(300), 'questions[0].choices must have 2 to 255 members, got a list of 300'),
  choice('an option twice', ['a', 'a'], 'questions[0].choices must not have the same value twice'),
  ask(
    'a type that is none',
    { questions: [{ type: 'guess', instructions: 'x' }] },
    'questions[0].type must be one of predicate, choice, score',
  ),
  ask('a member that is none', { temprature: 1 }, 'temprature is not known here'),
  ask(
    'a member that is none in a question',
    { questions: [{ ...DANGER, choises: [] }] },
    'questions[0].choises is not known here',
  ),
  ask('an input that is none', { input: 7 }, 'input must be a text or a list, got 7'),
  ask('no input', { input: undefined }, 'input must be a text or a list, got nothing'),
  { ...ask('a state of 10 MB', { input: 'x'.repeat(10_000_000) }, ''), ...TOO_LARGE },
  state('no questions', { questions: {} }, 'questions must have 1 to 400 questions'),
  state('an empty id', { questions: { '': { type: 'noul' } } }, 'questions'),
  criteria('no options', []),
  criteria('one option', ['a']),
  criteria('300 options', many(300)),
  state(
    'one level',
    { questions: { q: { type: 'score', criteria: ['a'] } } },
    'questions.q.criteria must have 2 to 255',
  ),
  state('a type that is none', { questions: { q: { type: 'predicate' } } }, 'questions.q.type must be one of'),
  state('a member that is none', { stat: 1 }, 'stat is not known here'),
  { ...state('a state of 10 MB', { state: 'x'.repeat(10_000_000) }, ''), ...TOO_LARGE },
];
