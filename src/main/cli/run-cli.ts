import { Command, CommanderError, Option } from 'commander';
import { withoutCredentials } from '../../shared/secrets.ts';
import { shown } from '../../shared/shown-text.ts';
import { LOG_LEVELS } from '../service/log/process-log.ts';
import { type CliContext, printJson } from './cli-context.ts';
import { EXIT, type ExitCode, failureLines, failureText, UsageError } from './cli-error.ts';
import { addCompareCommand, compareCommand } from './commands/compare-command.ts';
import { addDoctorCommand, doctorCommand } from './commands/doctor-command.ts';
import { addPlanCommand, planCommand } from './commands/plan-command.ts';
import { addReplayCommand, replayCommand } from './commands/replay-command.ts';
import { addServeCommand, type ServiceProcess, serveCommand } from './commands/serve-command.ts';
import { addSessionCommand, sessionCommand } from './commands/session-command.ts';
import { addSimulateCommand, simulateCommand } from './commands/simulate-command.ts';

interface CliSettings {
  /** True prints errors with their stack traces. */
  readonly debug: boolean;
  /** Called before a command runs, with undefined if `--log-level` is not given. */
  readonly onLogLevel: (level: string | undefined) => void;
  /** The functions of its process that `serve` needs. Without them, there is no command `serve`. */
  readonly service?: ServiceProcess;
}

/** Runs one command line to its end. Never rejects: every failure is one line on stderr and an exit code. */
export async function runCli(argv: readonly string[], context: CliContext, settings: CliSettings): Promise<ExitCode> {
  let exit: ExitCode = EXIT.SUCCESS;
  const program = buildProgram(context, settings, argv, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exit;
  } catch (error) {
    return failed(error, argv, context, settings);
  }
}

function buildProgram(
  context: CliContext,
  settings: CliSettings,
  argv: readonly string[],
  done: (code: ExitCode) => void,
): Command {
  const program = new Command('conclave')
    .description(
      'Plans for agents that act in real time: asks several local language models, and returns one legal action before the deadline.',
    )
    .version(context.version)
    .addOption(new Option('--log-level <level>', 'write a structured log to stderr').choices(LOG_LEVELS))
    .option('--debug', 'print the stack traces of errors')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: (text, write) => write(withoutCredentials(usageLine(text, argv))),
    })
    .hook('preAction', (command) => settings.onLogLevel(command.opts().logLevel));
  addSessionCommand(program, async (flags, file) => done(await sessionCommand(context, flags, settings.debug, file)));
  addCompareCommand(program, async (flags, a, b) => done(await compareCommand(context, flags, a, b)));
  addReplayCommand(program, async (flags, files) => done(await replayCommand(context, flags, settings.debug, files)));
  addPlanCommand(program, async (flags, file) => done(await planCommand(context, flags, file)));
  const { service } = settings;
  if (service !== undefined)
    addServeCommand(program, async (flags) => done(await serveCommand(context, flags, service)));
  addDoctorCommand(program, async (flags) => done(await doctorCommand(context, flags)));
  addSimulateCommand(program, async (flags) => done(await simulateCommand(context, flags)));
  return program;
}

const COMMANDS = ['session', 'compare', 'replay', 'plan', 'serve', 'doctor', 'simulate'];

/** Commander's message and suggestion in one line, followed by the command that prints help. */
function usageLine(text: string, argv: readonly string[]): string {
  const command = COMMANDS.find((name) => name === argv[0]);
  const help = command === undefined ? 'conclave --help' : `conclave ${command} --help`;
  return shown(`${text.trim().replace(/\s*\n\s*/g, ' ')} (see "${help}")\n`);
}

function failed(error: unknown, argv: readonly string[], context: CliContext, { debug }: CliSettings): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.SUCCESS : EXIT.USAGE;
  if (error instanceof UsageError) {
    context.stderr.write(usageLine(`error: ${error.message}`, argv));
    return EXIT.USAGE;
  }
  if (argv.includes('--json')) printJson(context, { error: failureText(error) });
  context.stderr.write(failureLines(error, debug));
  return EXIT.FAILURE;
}
