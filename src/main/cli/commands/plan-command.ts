import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { checkRequest, type PlanRequest } from '../../../shared/plan-request.ts';
import { shownInLine } from '../../../shared/shown-text.ts';
import { isRecord, readText as textOf } from '../../../shared/untrusted-json.ts';
import type { Plan } from '../../plans/plan.ts';
import { loadConfig } from '../../service/config/config-file.ts';
import { type CliContext, printResult } from '../cli-context.ts';
import { EXIT, type ExitCode, UsageError } from '../cli-error.ts';
import { DOMAIN_FLAG, domainsOf, kindsFor, repeated } from '../kinds.ts';
import { openPlannerHost } from '../planner-host.ts';
import { addServerFlags, type ServerFlags } from '../server-flags.ts';
import { duration, table } from '../terminal/text.ts';

interface PlanFlags extends ServerFlags {
  readonly domain?: readonly string[];
  readonly json?: boolean;
}

const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
/** Agent of a request that names none. */
const AGENT = 'cli';
const EXAMPLES = `
A request is {"observation":{…},"actions":["attack","block"],"qValues":{"attack":0.7},"agent":"lydia"}; qValues and agent are optional.

Examples:
  echo '{"observation":{"scene":"combat","health":41,"inCombat":true},"actions":["attack","block","retreat"]}' | conclave plan
  conclave plan request.json --endpoint http://localhost:1234/v1 --json`;

export function addPlanCommand(program: Command, run: (flags: PlanFlags, file?: string) => Promise<void>): void {
  const command = program
    .command('plan')
    .description('Plan one request, and print the action.')
    .argument('[file]', 'request as JSON (default: standard input)');
  addServerFlags(command)
    .option(...DOMAIN_FLAG, repeated)
    .option('--json', 'print the whole plan as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, flags: PlanFlags) => run(flags, file));
}

export async function planCommand(context: CliContext, flags: PlanFlags, file?: string): Promise<ExitCode> {
  const loaded = await loadConfig(context.cwd, flags.config);
  const kinds = await kindsFor(context.cwd, flags.domain, loaded?.config);
  const request = await readRequest(context, file);
  checkRequest(domainsOf(kinds).of(request), request);
  await using host = await openPlannerHost(context, flags, loaded, kinds);
  const plan = await host.planner.plan(request, { signal: context.signal });
  printResult(context, flags.json, plan, () => planText(plan));
  return EXIT.SUCCESS;
}

/** Prints the action alone on the first line, for scripts. */
function planText({ action, source, model, reason, why, latencyMs, attempts }: Plan): string {
  const rows = [
    ['source', model === undefined ? source : `${source} by ${model}`],
    ['reason', reason],
    ...(why === undefined ? [] : [['why', `${why.message} (${why.code})`]]),
    ['time', duration(latencyMs)],
  ];
  const failed = attempts.filter(({ code }) => code !== 'OK');
  if (failed.length > 0)
    rows.push(['failed', failed.map(({ step, role, code }) => `${role ?? step} ${code}`).join(', ')]);
  return `${shownInLine(action)}\n${table(rows, { indent: 2 })}\n`;
}

async function readRequest(context: CliContext, file: string | undefined): Promise<PlanRequest> {
  const name = file === undefined || file === '-' ? 'standard input' : file;
  if (name !== file && context.stdin.isTTY) {
    throw new UsageError('a request is needed: name a file, or pipe the request as JSON');
  }
  const read = textOf(await readBytes(name, name === file ? createReadStream(file) : context.stdin));
  if ('rule' in read) throw new PlannerError('ERR_REQUEST_INVALID', `${name} ${read.rule}`);
  let request: unknown;
  try {
    request = JSON.parse(read.text);
  } catch (cause) {
    throw new PlannerError('ERR_REQUEST_INVALID', `${name} is not JSON (${(cause as Error).message})`, { cause });
  }
  if (!isRecord(request)) {
    throw new PlannerError('ERR_REQUEST_INVALID', `request must be an object, got ${describeValue(request)}`);
  }
  // checkRequest checks every member before anything else.
  return { agent: AGENT, ...request } as PlanRequest;
}

async function readBytes(name: string, stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length;
      if (bytes > REQUEST_BYTES_MAX) throw new Error(`it is longer than ${REQUEST_BYTES_MAX} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    throw new PlannerError('ERR_REQUEST_INVALID', `${name} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return Buffer.concat(chunks);
}
