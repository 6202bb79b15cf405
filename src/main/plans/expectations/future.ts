import type { Domain } from '../../../shared/domain.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { type InParts, inOneGo } from '../../../shared/in-parts.ts';
import { isLong } from '../../../shared/owned-request.ts';
import { checkRequestInParts, type PlanRequest, readPlainly } from '../../../shared/plan-request.ts';

export interface FutureTerms {
  /** Time until the agent is expected to ask, in milliseconds. Default: with its next request. */
  readonly inMs?: number;
  /** How likely it is that the agent asks exactly this, from 0 to 1. Default: the same for all futures of one call. */
  readonly likelihood?: number;
}

/** A request that an agent is expected to make soon. */
export interface Future extends PlanRequest, FutureTerms {}

/** Where futures come from, best first: the host told them, its domain computes them, or they follow from what was seen before. */
export const GUESS_SOURCES = ['host', 'domain', 'experience'] as const;
export type GuessSource = (typeof GUESS_SOURCES)[number];

/** How a future ended; each ends once. */
export const GUESS_OUTCOMES = ['known', 'used', 'tooLate', 'withheld', 'wrong', 'dropped'] as const;
export type GuessOutcome = (typeof GUESS_OUTCOMES)[number];

/** A future with its source, which is told how it ended. */
export interface Guess extends Future {
  readonly source: GuessSource;
  /** `spentMs`: how long models worked on it, apart from the calls that a plan has joined. */
  readonly onEnd?: (outcome: GuessOutcome, spentMs: number) => void;
}

/** Maximum futures in one call. */
export const FUTURES_MAX = 64;
const IN_MS_MAX = 24 * 60 * 60 * 1000;

/** The domain of all requests, or how to find that of one. */
export type DomainFor = Domain | ((request: PlanRequest) => Domain);

/** Checks what a host tells, which may be anything. Throws ERR_REQUEST_INVALID, and then nothing is taken. Futures that are too long to be kept are not checked in full. */
export function checkedFutures(domain: DomainFor, told: unknown): Guess[] {
  return readPlainly(() => inOneGo(checkedFuturesInParts(domain, told)));
}

/** The same for plain data. */
export function* checkedFuturesInParts(domain: DomainFor, told: unknown): InParts<Guess[]> {
  if (!Array.isArray(told)) refuse('futures', 'must be a list', told);
  if (told.length > FUTURES_MAX) refuse('futures', `must be at most ${FUTURES_MAX}`, told.length);
  const guesses: Guess[] = [];
  for (let nth = 0; nth < told.length; nth++) {
    guesses.push(yield* checkedFuture(domain, told[nth], nth, told.length));
    yield;
  }
  return guesses;
}

function* checkedFuture(domain: DomainFor, told: unknown, nth: number, count: number): InParts<Guess> {
  const at = `futures[${nth}]`;
  if (told === null || typeof told !== 'object' || Array.isArray(told)) refuse(at, 'must be an object', told);
  const { inMs, likelihood = 1 / count, ...request } = told as Future;
  checkNumber(`${at}.inMs`, inMs, IN_MS_MAX);
  checkNumber(`${at}.likelihood`, likelihood, 1);
  const isShort = !Array.isArray(request.actions) || !isLong(request.actions);
  yield* checkAt(at, domain, request, isShort);
  return { ...request, likelihood, source: 'host', ...(inMs === undefined ? {} : { inMs }) };
}

function checkNumber(name: string, value: unknown, max: number): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= max)) return;
  refuse(name, `must be a number from 0 to ${max}`, value);
}

function* checkAt(at: string, given: DomainFor, request: PlanRequest, isWhole: boolean): InParts<void> {
  try {
    const domain = typeof given === 'function' ? given(request) : given;
    if (isWhole) yield* checkRequestInParts(domain, request);
  } catch (error) {
    if (!(error instanceof PlannerError)) throw error;
    throw new PlannerError(error.code, `${at}: ${error.message}`, { cause: error });
  }
}

function refuse(name: string, rule: string, value: unknown): never {
  throw new PlannerError('ERR_REQUEST_INVALID', `${name} ${rule}, got ${describeValue(value)}`);
}
