import type { Exchange } from './exchange.ts';
import type { ReadFaultName } from './fault-names.ts';
import { answerRead, type ReadSpoiling, type ToldAnswer, tellToken } from './read-answers.ts';

/** What each fault does to one read. Where a fault has several forms, the seed picks one. */
export const READ_FAULT_PLAYERS: Readonly<Record<ReadFaultName, (exchange: Exchange) => void>> = {
  'read-501': (exchange) => {
    const message = 'This model does not support decisions.';
    const error = { code: 501, message, type: exchange.pickOf(['not_supported_error', 'NotImplementedError']) };
    exchange.status(501, { error });
  },
  'read-404': unknown,
  'read-label-400': (exchange) => {
    const label = `question 'a': the label 'A' is not a single token for this model`;
    const message = exchange.read?.form === 'logprobs' ? 'top_logprobs must be between 0 and 5' : label;
    const error = { message, type: 'BadRequestError', param: null, code: 400 };
    exchange.status(400, { error: exchange.pickOf([error, message]) });
  },
  'read-option-missing': (exchange) => spoiled(exchange, { spoil: withoutOne(exchange.pickOf(['first', 'last'])) }),
  'read-option-unknown': (exchange) =>
    spoiled(exchange, { spoil: withUnknown(exchange.pickOf(['Z', 'fly to the moon'])) }),
  'read-nan': (exchange) =>
    spoiled(exchange, {
      spoil: changed((p, index) => (index === 0 ? Number.NaN : p)),
      oddNumber: exchange.pickOf(['NaN', 'null', '"NaN"', '1e999', '-1e308', '"0.5"']),
    }),
  'read-sum-off': (exchange) => {
    const times = exchange.pickOf([0.1, 3, 1e6]);
    spoiled(exchange, { spoil: changed((p) => p * times) });
  },
  'read-mass-elsewhere': (exchange) =>
    spoiled(exchange, {
      spoil: (answer) => ({ ...evenly(answer), mass: exchange.read?.form === 'logprobs' ? 0 : 1e-6 }),
    }),
  'read-refused': (exchange) => {
    const mass = exchange.pickOf([0.1, 0.9]);
    spoiled(exchange, { spoil: (answer, index) => (index === 0 ? { ...answer, mass, isRefused: true } : answer) });
  },
  'read-forgotten': (exchange) => {
    if (exchange.server.hasForgotten()) unknown(exchange);
    else exchange.answerWell();
  },
};

function spoiled(exchange: Exchange, spoiling: ReadSpoiling): void {
  if (exchange.read !== undefined) answerRead(exchange, exchange.read, spoiling);
}

/** A server that knows no such path; a chat is answered without log probabilities. */
function unknown(exchange: Exchange): void {
  if (exchange.read?.form === 'logprobs') {
    tellToken(exchange, exchange.prompt.labels[exchange.choice] ?? '1', exchange.pickOf([{ logprobs: null }, {}]));
  } else {
    const error = { code: 404, message: 'File Not Found', type: 'not_found_error' };
    exchange.status(404, exchange.pickOf([{ error }, { detail: 'Not Found' }, '404 page not found']));
  }
}

type Spoil = (answer: ToldAnswer) => ToldAnswer;

function withoutOne(which: 'first' | 'last'): Spoil {
  const cut = <T>(list: readonly T[]): readonly T[] => (which === 'first' ? list.slice(1) : list.slice(0, -1));
  return (answer) => ({ ...answer, values: cut(answer.values), probabilities: cut(answer.probabilities) });
}

function withUnknown(value: string): Spoil {
  return (answer) => ({
    ...answer,
    values: [value, ...answer.values],
    probabilities: [0.9, ...answer.probabilities.map((p) => 0.1 * p)],
  });
}

function changed(change: (probability: number, index: number) => number): Spoil {
  return (answer) => ({ ...answer, probabilities: answer.probabilities.map(change) });
}

function evenly(answer: ToldAnswer): ToldAnswer {
  return { ...answer, probabilities: answer.values.map(() => 1 / answer.values.length) };
}
