import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

/** The real command line, as its users start it. */
const BIN = fileURLToPath(new URL('../../bin/conclave.js', import.meta.url));
/** Far more than anything takes: a wait that ends here has failed. */
const WAIT_MS = 40_000;

export interface ServeOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ready {
  readonly ready: boolean;
  readonly pid: number;
  readonly faces: readonly { readonly name: string; readonly address: string }[];
}

/** A `conclave serve` in a process of its own. */
export class ServeProcess implements Disposable {
  readonly child: ChildProcessWithoutNullStreams;
  stdout = '';
  stderr = '';
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;

  constructor(args: readonly string[], { cwd, env = {} }: ServeOptions) {
    const { CONCLAVE_TOKEN: _token, CONCLAVE_LOG_LEVEL: _level, ...inherited } = process.env;
    this.child = spawn(process.execPath, [BIN, ...args], { cwd, env: { ...inherited, ...env } });
    this.child.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
    });
  }

  /** With `--json`: what it says when it is ready. */
  async ready(): Promise<Ready> {
    return JSON.parse((await this.line('stdout', '"ready":true')) as string);
  }

  /** The first line that holds `part`, when there is one. */
  line(stream: 'stdout' | 'stderr', part: string): Promise<string> {
    return vi.waitFor(
      () => {
        const found = this[stream].split('\n').find((line) => line.includes(part));
        if (found === undefined)
          throw new Error(`no ${JSON.stringify(part)} in ${stream}: ${this.stdout}${this.stderr}`);
        return found;
      },
      { timeout: WAIT_MS, interval: 10 },
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

export function addressOf({ faces }: Ready, name: string): string {
  const face = faces.find((each) => each.name === name);
  if (face === undefined) throw new Error(`no face ${name}`);
  return face.address;
}
