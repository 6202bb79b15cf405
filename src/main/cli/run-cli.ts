import { Command, CommanderError, Option } from 'commander';
import { type CliContext, printJson } from './cli-context.ts';
import { EXIT, type ExitCode, failureLines, failureText, UsageError } from './cli-error.ts';
import { addSessionCommand, sessionCommand } from './session-command.ts';

export interface CliSettings {
  /** Errors are printed with their stack. */
  readonly debug: boolean;
  readonly onLogLevel: (level: string) => void;
}

const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;

/** Runs one command line to its end. Never rejects: every failure is one line on stderr and an exit code. */
export async function runCli(argv: readonly string[], context: CliContext, settings: CliSettings): Promise<ExitCode> {
  let exit: ExitCode = EXIT.SUCCESS;
  const program = buildProgram(context, settings, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exit;
  } catch (error) {
    return failed(error, argv, context, settings);
  }
}

function buildProgram(context: CliContext, settings: CliSettings, done: (code: ExitCode) => void): Command {
  const program = new Command('conclave')
    .description('Plans for agents that act in real time: several local language models, one legal action, in time.')
    .version(context.version)
    .addOption(new Option('--log-level <level>', 'structured log on stderr').choices(LOG_LEVELS).default('silent'))
    .option('--debug', 'print the stack of an error')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: (text, write) => write(usageLine(text)),
    })
    .hook('preAction', (command) => settings.onLogLevel(command.opts().logLevel));
  addSessionCommand(program, async (flags, file) => done(await sessionCommand(context, flags, file)));
  return program;
}

/** Commander's message and its suggestion in one line, with where to read more. */
function usageLine(text: string): string {
  return `${text.trim().replace(/\s*\n\s*/g, ' ')} (see "conclave --help")\n`;
}

function failed(error: unknown, argv: readonly string[], context: CliContext, { debug }: CliSettings): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.SUCCESS : EXIT.USAGE;
  if (error instanceof UsageError) {
    context.stderr.write(usageLine(`error: ${error.message}`));
    return EXIT.USAGE;
  }
  if (argv.includes('--json')) printJson(context, { error: failureText(error) });
  context.stderr.write(failureLines(error, debug));
  return EXIT.FAILURE;
}
