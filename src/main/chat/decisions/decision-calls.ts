import { PlannerError } from '../../../shared/errors.ts';
import { memberOf } from '../../../shared/reads/read-answer.ts';
import { questionId } from '../../../shared/reads/read-body.ts';
import {
  type DecisionMessage,
  type DecisionPart,
  type Question,
  type QuestionAnswer,
  type Questionnaire,
  textPart,
} from './questionnaire.ts';

/** A server's call for decisions, for requests that came in the other protocol. */
export interface DecisionCall {
  readonly route: 'decisions' | 'systemone';
  /** The request body. */
  write(model: string, questionnaire: Questionnaire): object;
  /** Reads the answers from a response. Throws ERR_MODEL_MALFORMED. */
  read(body: unknown, questions: readonly Question[]): QuestionAnswer[];
}

/** The call that a server may have instead of the one asked for. */
export function otherCall(route: string): DecisionCall {
  return route === 'decisions' ? SYSTEM_ONE_CALL : DECISIONS_CALL;
}

const DECISIONS_CALL: DecisionCall = {
  route: 'decisions',
  write: (model, { state, questions }) => ({
    model,
    input: state.map(({ role, content }) => ({ role, content: inputOf(content) })),
    questions: questions.map((question) => ({
      instructions: inputOf(question.instructions),
      ...QUESTIONS[question.type](question),
    })),
  }),
  read(body, questions) {
    const answers = memberOf(body, 'answers');
    if (!Array.isArray(answers)) throw malformed('its answers are no list');
    return questions.map((question, index) => {
      const answer: unknown = answers[index];
      if (memberOf(answer, 'type') === 'refusal') return declined(question);
      if (question.type === 'truth') return truth(question, memberOf(answer, 'probability'));
      const told = memberOf(answer, 'probabilities');
      const list: readonly unknown[] = Array.isArray(told) ? told : [];
      const member = question.type === 'choice' ? 'value' : 'label';
      const byValue = new Map(list.map((each) => [memberOf(each, member), memberOf(each, 'probability')]));
      return distribution(question, (value) => byValue.get(value));
    });
  },
};

const QUESTIONS: Readonly<Record<Question['type'], (question: Question) => object>> = {
  truth: (question) => ({
    type: 'predicate',
    instructions: inputOf([...question.instructions, ...meaningOf(question)]),
  }),
  choice: ({ options }) => ({ type: 'choice', choices: options }),
  score: ({ options }) => ({
    type: 'score',
    levels: options.map(({ value, description }) => ({ label: value, description })),
  }),
};

const SYSTEM_ONE_CALL: DecisionCall = {
  route: 'systemone',
  write: (model, { state, questions }) => ({
    model,
    state: stateOf(state),
    questions: Object.fromEntries(
      questions.map((question, index) => [
        questionId(index),
        { instructions: plainly(question.instructions), ...CRITERIA[question.type](question) },
      ]),
    ),
  }),
  read: (body, questions) =>
    questions.map((question, index) => {
      const answer = memberOf(memberOf(body, 'answers'), questionId(index));
      const told = memberOf(answer, 'probabilities');
      if (answer === null || memberOf(answer, 'type') === 'refusal') return declined(question);
      const mass = memberOf(memberOf(memberOf(body, 'diagnostics'), questionId(index)), 'label_mass') ?? 1;
      if (question.type === 'truth') return scaled(truth(question, memberOf(answer, 'noul')), mass);
      const keys = keysOf(question);
      return scaled(
        distribution(question, (_, at) => memberOf(told, keys[at] as string)),
        mass,
      );
    }),
};

const CRITERIA: Readonly<Record<Question['type'], (question: Question) => object>> = {
  truth: () => ({ type: 'noul' }),
  choice: (question) => {
    const keys = keysOf(question);
    const criteria = question.options.map(({ description = null }, at) => [keys[at] as string, description]);
    return { type: 'choice', criteria: Object.fromEntries(criteria) };
  },
  score: ({ options }) => ({
    type: 'score',
    criteria: options.map(({ value, description }) => (description ? `${value}: ${description}` : String(value))),
  }),
};

/** Option names in System One are texts; `true` and `"true"` stay distinct. The levels of a score are named by their positions. */
function keysOf({ type, options }: Question): string[] {
  if (type === 'score') return options.map((_, level) => String(level));
  const isTyped = new Set(options.map(({ value }) => String(value))).size < options.length;
  return options.map(({ value }) => (isTyped ? JSON.stringify(value) : String(value)));
}

/** The meaning of yes and no, for which a predicate has no members. */
function meaningOf({ options }: Question): DecisionPart[] {
  return options.flatMap(({ value, description }) =>
    description === undefined ? [] : [textPart(`\n${value === true ? 'yes' : 'no'}: ${description}`)],
  );
}

function inputOf(content: string | readonly DecisionPart[]): unknown {
  return typeof content === 'string' ? content : content.every(isText) ? joined(content) : content.map(inputPart);
}

function inputPart(part: DecisionPart): object {
  if (isText(part)) return { type: 'input_text', text: part.text };
  return { type: 'input_image', image_url: memberOf(part.image_url, 'url') };
}

function stateOf(state: readonly DecisionMessage[]): unknown {
  const [only] = state;
  const isPlain = state.length === 1 && only?.role === 'user' && typeof only.content === 'string';
  return isPlain ? only.content : state;
}

function plainly(parts: readonly DecisionPart[]): unknown {
  return parts.every(isText) ? joined(parts) : parts;
}

function isText({ text }: DecisionPart): boolean {
  return typeof text === 'string';
}

function joined(parts: readonly DecisionPart[]): string {
  return parts.map(({ text }) => text).join('');
}

function declined(question: Question): QuestionAnswer {
  return { question, probabilities: question.options.map(() => 0) };
}

function truth(question: Question, told: unknown): QuestionAnswer {
  const yes = probabilityOf(told);
  return { question, probabilities: [yes, 1 - yes] };
}

function distribution(question: Question, told: (value: string | boolean, index: number) => unknown): QuestionAnswer {
  const probabilities = question.options.map(({ value }, index) => probabilityOf(told(value, index) ?? 0));
  const sum = probabilities.reduce((total, each) => total + each, 0);
  // Rounding may make the sum a little more or less than 1.
  if (Math.abs(sum - 1) > 0.02) throw malformed(`its probabilities add up to ${sum.toFixed(2)}`);
  return { question, probabilities: probabilities.map((each) => each / sum) };
}

function scaled({ question, probabilities }: QuestionAnswer, mass: unknown): QuestionAnswer {
  const share = probabilityOf(mass);
  return { question, probabilities: probabilities.map((each) => each * share) };
}

function probabilityOf(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1 + 1e-6) return Math.min(1, value);
  throw malformed('a probability is no number from 0 to 1');
}

function malformed(fault: string): PlannerError {
  return new PlannerError('ERR_MODEL_MALFORMED', `the answer of a decision cannot be used: ${fault}`);
}
