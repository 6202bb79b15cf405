import { InvalidArgumentError } from 'commander';
import { rounded } from '../measure/shares.ts';
import type { ReportTable } from '../page/report-page.ts';
import { CRITERION_RULE, type Criterion, parseCriterion, publishedCriteria } from '../session/criterion.ts';
import { type CriterionResult, faultOf, type Judgement, judge } from '../session/judgement.ts';
import type { SessionReport } from '../session/report.ts';
import { NOTHING_DONE, type SessionOptions, type SessionOutcome } from '../session/session.ts';
import { UsageError } from './cli-error.ts';
import { count } from './terminal/text.ts';

const PUBLISHED = 'published';
/** The value of `--expect`. */
export type Expected = Criterion | typeof PUBLISHED;

export function collectExpected(text: string, before: readonly Expected[] = []): Expected[] {
  if (text.trim() === PUBLISHED) return [...before, PUBLISHED];
  const criterion = parseCriterion(text);
  if (criterion === undefined) throw new InvalidArgumentError(`It ${CRITERION_RULE}; or ${PUBLISHED}.`);
  return [...before, criterion];
}

/** Checks a session against expectations: its callbacks, and the result once it has run. */
interface Expectations extends Pick<SessionOptions, 'onWarmUp' | 'onFirstLap'> {
  readonly judged: () => { readonly expect?: Judgement };
}

type ReportMaker = (outcome: SessionOutcome) => SessionReport;

/** Throws UsageError for a figure that the report does not have. `report` makes the current report; no plan has been made yet. */
export function openExpectations(expected: readonly Expected[] | undefined, report: ReportMaker): Expectations {
  if (expected === undefined) return { judged: () => ({}) };
  const criteria = checkedCriteria(expected, report(NOTHING_DONE));
  let warmUp: SessionReport | undefined;
  let lap: SessionReport | undefined;
  return {
    onWarmUp: (outcome) => {
      warmUp = report(outcome);
    },
    onFirstLap: (outcome) => {
      lap = report(outcome);
    },
    judged: () => (lap === undefined ? {} : { expect: judge(criteria, { warmUp, lap }) }),
  };
}

function checkedCriteria(expected: readonly Expected[], report: SessionReport): Criterion[] {
  const { server } = report;
  const speed = server.kind === 'simulated' ? server.speed : 1;
  const criteria = expected.flatMap((one) => (one === PUBLISHED ? publishedCriteria(speed) : [one]));
  for (const criterion of criteria) {
    const fault = faultOf(criterion, report);
    if (fault !== undefined) throw new UsageError(`--expect: ${fault}`);
  }
  return criteria;
}

export function criteriaTable({ laps }: SessionReport, { met, plans, criteria }: Judgement): ReportTable {
  const missed = criteria.filter((verdict) => !verdict.met).length;
  const result = met ? 'All criteria met' : `${missed} of ${count(criteria.length, 'criterion', 'criteria')} not met`;
  const of = laps > 1 ? `the first lap, ${count(plans, 'plan')}` : count(plans, 'plan');
  const rows = criteria.map((verdict) => [verdict.met ? 'met' : 'NOT MET', verdict.criterion, foundText(verdict)]);
  return { title: 'Criteria', head: [result, 'Expected', `Found in ${of}`], rows };
}

/** A share in percent if the criterion is, a time with its unit; other figures as in the report. */
function foundText({ criterion, value, why = '' }: CriterionResult): string {
  if (value === null) return why;
  if (criterion.endsWith('%')) return `${rounded(100 * value)} %`;
  return /\d *m?s$/.test(criterion) ? `${rounded(value)} ms` : `${rounded(value)}`;
}
