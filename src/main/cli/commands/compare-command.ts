import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Better, type ComparedRow, reportPage } from '../../page/report-page.ts';
import { type Comparison, compareReports } from '../../report/comparison.ts';
import { type ReadReport, readReport } from '../../report/read-report.ts';
import { type CliContext, note, printResult } from '../cli-context.ts';
import { EXIT, type ExitCode, UsageError } from '../cli-error.ts';
import { openReportFile, placeOf } from '../report-target.ts';
import { reportSide } from '../terminal/report-text.ts';
import { count, duration, percent, rate, table } from '../terminal/text.ts';

interface CompareFlags {
  readonly report?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  conclave session --profile november --json >a.json
  conclave session --json >b.json
  conclave compare a.json b.json
  conclave compare a.json b.json --report ab.html       also draws both, side by side`;

type Run = (flags: CompareFlags, a: string, b: string) => Promise<void>;

export function addCompareCommand(program: Command, run: Run): void {
  program
    .command('compare')
    .description('Compare two reports of "conclave session --json".')
    .argument('<a>', 'first report')
    .argument('<b>', 'second report')
    .option('--report <file>', 'write both reports to one HTML page, side by side')
    .option('--json', 'print the comparison as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((a: string, b: string, flags: CompareFlags) => run(flags, a, b));
}

export async function compareCommand(
  context: CliContext,
  flags: CompareFlags,
  fileA: string,
  fileB: string,
): Promise<ExitCode> {
  checkTarget(context, flags, [fileA, fileB]);
  const [a, b] = [await read(context, fileA), await read(context, fileB)];
  await using page = await openReportFile(context, flags.report);
  const comparison = compareReports(a.report, b.report);
  if (!flags.json) for (const warning of comparison.warnings) note(context, `warning: ${warning}`);
  const result = { a: { file: fileA }, b: { file: fileB }, ...comparison };
  printResult(context, flags.json, result, () => comparisonText(comparison, a, b));
  await page?.write(await pageOf(comparison, a, b));
  return EXIT.SUCCESS;
}

/** Rejects a `--report` that would overwrite one of the compared files. */
function checkTarget({ cwd }: CliContext, { report }: CompareFlags, files: readonly string[]): void {
  if (report === undefined || !files.some((file) => placeOf(cwd, file) === placeOf(cwd, report))) return;
  throw new UsageError(`--report must be another file than those that are compared, got ${report}`);
}

/** Reads a report. Errors name the file as the user did. */
async function read({ cwd }: CliContext, file: string): Promise<ReadReport> {
  return { ...(await readReport(resolve(cwd, file), file)), file };
}

function pageOf({ rows, warnings }: Comparison, a: ReadReport, b: ReadReport): Promise<string> {
  return reportPage(`${a.file} and ${b.file}`, {
    kind: 'comparison',
    sides: [
      { ...reportSide(a.report), title: a.file },
      { ...reportSide(b.report), title: b.file },
    ],
    rows: rows.map((row) => ({ ...row, texts: textsOf(row) })),
    warnings,
  });
}

function comparisonText({ rows }: Comparison, a: ReadReport, b: ReadReport): string {
  const head = ['', `A: ${a.file}`, `B: ${b.file}`, 'B against A', 'better'];
  const lines = rows.map((row) => [row.name, ...textsOf(row), betterText(row.better)]);
  return `${table([head, ...lines], { indent: 2 })}\n`;
}

const BETTER: Readonly<Record<Exclude<Better, null>, string>> = { a: 'A', b: 'B', same: 'about the same' };

function betterText(better: Better): string {
  return better === null ? '' : BETTER[better];
}

const NOTHING = '–';

/** The value of A, the value of B, and the difference. */
function textsOf({ a, b, unit }: ComparedRow): [string, string, string] {
  const text = (value: number | null): string => (value === null ? NOTHING : inUnit(value, unit));
  return [text(a), text(b), a === null || b === null ? NOTHING : differenceText(a, b, unit)];
}

function inUnit(value: number, unit: ComparedRow['unit']): string {
  switch (unit) {
    case 'count':
      return count(value);
    case 'share':
      return percent(value, 1);
    case 'ms':
      return duration(value);
    case 'rate':
      return rate(value);
    default:
      return unit satisfies never;
  }
}

/** The difference of shares in points, and of everything else in percent of A. */
function differenceText(a: number, b: number, unit: ComparedRow['unit']): string {
  if (a === b) return '=';
  const sign = b > a ? '+' : '−';
  if (unit === 'share') return `${sign}${rate(Math.abs(b - a) * 100)} points`;
  if (a === 0) return `${sign}${inUnit(Math.abs(b - a), unit)}`;
  const factor = b / a;
  return factor >= 2 ? `× ${rate(factor)}` : `${sign}${rate(Math.abs(factor - 1) * 100)} %`;
}
