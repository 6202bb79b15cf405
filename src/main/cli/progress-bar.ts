import cliProgress from 'cli-progress';
import { countRecords } from '../session/trace-reader.ts';
import type { CliContext } from './cli-context.ts';

/** A bar on the terminal that is gone when all is done. */
export function newBar({ stderr }: CliContext, format: string): cliProgress.SingleBar {
  return new cliProgress.SingleBar(
    {
      format,
      stream: stderr as NodeJS.WriteStream,
      barsize: 20,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
    },
    cliProgress.Presets.shades_classic,
  );
}

/**
 * The records of a trace, at most `limit`; undefined where nobody counted. Only a terminal shows a bar, and only a bar
 * needs to know where it ends.
 */
export async function barTotal(
  { stderr, signal }: CliContext,
  file: string,
  limit: number | undefined,
): Promise<number | undefined> {
  if (!stderr.isTTY) return undefined;
  try {
    const records = await countRecords(file, signal);
    return Math.min(records, limit ?? records);
  } catch {
    // Whoever reads the trace in earnest meets the fault, with its line.
    return limit;
  }
}
