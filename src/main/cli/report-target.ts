import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { ReportFile } from '../report/report-file.ts';
import type { CliContext } from './cli-context.ts';
import { UsageError } from './cli-error.ts';

/** The file of `--report`, or undefined without that flag. If it cannot be written, throws before any work begins. */
export async function openReportFile({ cwd }: CliContext, file: string | undefined): Promise<ReportFile | undefined> {
  if (file === undefined) return undefined;
  try {
    return await ReportFile.open(resolve(cwd, file));
  } catch (cause) {
    throw new UsageError(`--report must be a file that can be written, got ${file} (${(cause as Error).message})`, {
      cause,
    });
  }
}

/** The canonical path of a file that exists or will, the same for each of its names. */
export function placeOf(cwd: string, file: string): string {
  const path = resolve(cwd, file);
  return existsSync(path) ? realpathSync(path) : path;
}
