import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { startEmbeddedSimulator } from '../../service/embedded-simulator.ts';
import { type CliContext, note, printResult } from '../cli-context.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { listAt } from '../planner-host.ts';
import { addRateFlag, collect, positiveNumber, type Rates, wholeNumber } from '../server-flags.ts';
import { count, duration, rate, table } from '../terminal/text.ts';

interface SimulateFlags {
  readonly port: number;
  readonly host: string;
  readonly seed: number;
  readonly speed: number;
  readonly slots: number;
  readonly flavour: string;
  readonly reads?: string;
  readonly model?: readonly string[];
  readonly rate?: Rates;
  readonly json?: boolean;
}

const LIST_MS = 5_000;
const EXAMPLES = `
Examples:
  conclave simulate                              on LM Studio's port, in real time
  conclave simulate --port 8080 --flavour llamacpp --speed 20
  conclave simulate --flavour vllm --reads systemone      decisions are read in one form only
  conclave simulate --rate hang=0.05 --rate http500=0.1   with failures
  conclave session --endpoint http://localhost:1234/v1   a session with it, in another terminal`;

export function addSimulateCommand(program: Command, run: (flags: SimulateFlags) => Promise<void>): void {
  const command = program
    .command('simulate')
    .description('Run the simulated model server alone, until interrupted.')
    .option('--port <n>', 'port to listen on; 0 chooses a free one', wholeNumber(0, 65_535), 1234)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--seed <n>', 'seed of its answers and times', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--speed <n>', 'speed, as a multiple of real time', positiveNumber, 1)
    .option('--slots <n>', 'number of requests it works on at once', wholeNumber(1, 1_024), 4)
    .addOption(
      new Option('--flavour <name>', 'server to imitate')
        .choices(['lmstudio', 'ollama', 'llamacpp', 'vllm'])
        .default('lmstudio'),
    )
    .addOption(
      new Option(
        '--reads <form>',
        'form in which decisions can be read (default: what the imitated server does)',
      ).choices(['none', 'logprobs', 'systemone', 'decisions', 'all']),
    )
    .option('--model <id>', 'model to serve (repeatable; default: four small ones)', collect);
  addRateFlag(command)
    .option('--json', 'print the address and the models as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((flags: SimulateFlags) => run(flags));
}

export async function simulateCommand(context: CliContext, flags: SimulateFlags): Promise<ExitCode> {
  const { json, model: ids, rate: rates = {}, ...options } = flags;
  const served = ids === undefined ? {} : { models: ids.map((id) => ({ id })) };
  await using simulator = await startEmbeddedSimulator({ ...options, ...served, rates }, context.clock);
  const { baseURL, port } = simulator;
  const models = await listAt(context, { name: 'simulated', baseURL }, LIST_MS);
  const { speed, slots, seed } = flags;
  printResult(context, json, { baseURL, port, models, speed, slots, seed }, () => startText(baseURL, models, flags));
  const startedAtMs = context.clock.now();
  if (!context.signal.aborted) await Promise.race([once(context.signal, 'abort'), simulator.failed]);
  const stats = await simulator.close();
  note(context, countsText(context.clock.now() - startedAtMs, stats));
  return EXIT.SUCCESS;
}

function startText(baseURL: string, models: readonly string[], { speed, slots }: SimulateFlags): string {
  const pace = speed === 1 ? 'in real time' : `${rate(speed)} times real time`;
  const rows = [
    ['Address', baseURL],
    ['Models', models.join(', ')],
    ['Machine', `${count(slots, 'slot')}, ${pace}`],
    ['Use it', `conclave session --endpoint ${baseURL}`],
  ];
  return `Simulated model server; interrupt it to stop (Ctrl-C)\n${table(rows, { indent: 2 })}\n`;
}

function countsText(ms: number, stats: Readonly<Record<string, unknown>> | undefined): string {
  const counted = Object.entries(stats ?? {}).filter(([, value]) => typeof value === 'number');
  const counts = counted.map(([name, value]) => `${words(name)} ${count(value as number)}`);
  return [`Stopped after ${duration(ms)}`, ...counts].join(' · ');
}

/** Turns `failuresPlayed` into `failures played`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
