import { type ChildProcess, fork } from 'node:child_process';
import { z } from 'zod';
import { checkOptions } from '../../../shared/check-options.ts';
import { type Clock, systemClock } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { DomainDefinition } from '../../../shared/domain.ts';
import { entryUrl } from '../../../shared/entry-url.ts';
import { PlannerError } from '../../../shared/errors.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Peer, PeerEnd } from '../../faces/ipc/peer.ts';
import { checkCrossing, remoteShape } from '../../faces/ipc/peer-options.ts';
import { PlannerClient } from '../../faces/ipc/planner-client.ts';
import type { RemoteOptions, SpawnedPlanner } from '../../faces/ipc/remote-planner.ts';
import type { AnyPlannerOptions, PlannerOptions } from '../../options/planner-options.ts';
import { withLoadedDomains } from '../config/loaded-domains.ts';
import type { EntryParts } from './embed-planner.ts';

export interface SpawnOptions extends RemoteOptions {
  /**
   * Destination of the process' output, such as Node's warnings or the trace of a crash. Never standard output, which may carry a protocol of yours.
   * Default `stderr`: this process' standard error.
   */
  readonly output?: 'stderr' | 'ignore';
  /** Arguments for Node in the child, such as `--max-old-space-size=512`. Default: none; this process's own are not passed on. */
  readonly execArgv?: readonly string[];
}

const spawnSchema = z.strictObject({
  ...remoteShape,
  output: z.enum(['stderr', 'ignore']).default('stderr'),
  execArgv: z.array(z.string()).default([]),
});

/**
 * Starts a planner in a child process, over its IPC channel: a crash there cannot end this process. The child ends when this process does, even if it
 * is killed. Rejects like `embedPlanner`; no process is left then.
 */
export async function spawnPlanner<const D extends DomainDefinition>(
  options: PlannerOptions<D>,
  spawnOptions?: SpawnOptions,
  parts?: EntryParts,
): Promise<SpawnedPlanner<D>>;
export async function spawnPlanner(
  options: AnyPlannerOptions,
  spawnOptions?: SpawnOptions,
  parts?: EntryParts,
): Promise<SpawnedPlanner>;
export async function spawnPlanner(
  options: AnyPlannerOptions,
  spawnOptions: SpawnOptions = {},
  parts: EntryParts = {},
): Promise<SpawnedPlanner> {
  const { output, execArgv, ...remote } = checkOptions(spawnSchema, spawnOptions, 'spawnOptions.');
  const loaded = await withLoadedDomains(options);
  const planner = checkCrossing(loaded);
  const clock = parts.clock ?? systemClock;
  // The descriptor of this process' standard error, for both the child's output and its errors.
  const stream = output === 'stderr' ? 2 : 'ignore';
  const child = fork(parts.entryUrl ?? entryUrl(import.meta.url, './process-entry'), [], {
    execArgv: [...execArgv],
    serialization: 'advanced',
    stdio: ['ignore', stream, stream, 'ipc'],
  });
  const client = new SpawnedClient({ peer: new ProcessPeer(child, clock), clock, planner, remote }, child.pid);
  await client.start(loaded);
  return client;
}

class SpawnedClient extends PlannerClient implements SpawnedPlanner {
  readonly #pid: number | undefined;

  constructor(parts: ConstructorParameters<typeof PlannerClient>[0], pid: number | undefined) {
    super(parts);
    this.#pid = pid;
  }

  get pid(): number {
    if (this.#pid === undefined) throw new PlannerError('ERR_PEER_EXITED', "the planner's process did not start");
    return this.#pid;
  }

  async peek(request: PlanRequest): Promise<Decision | undefined> {
    this.check(request);
    return this.ask(() => this.api.peek(request));
  }
}

/** How long to wait for a process to exit after its channel has closed, or the reverse. */
const APART_MS = 1_000;

class ProcessPeer implements Peer {
  readonly name = 'process';
  readonly sharesClock = false;
  readonly ended: Promise<PeerEnd>;
  readonly #child: ChildProcess;
  #hasLeft = false;

  constructor(child: ChildProcess, clock: Clock) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      // Its last messages are read until the channel closes, so both are awaited.
      child.once('exit', (code, signal) => {
        const end = (): void => resolve({ code, signal });
        if (!child.connected) return end();
        const timer = clock.setTimer(APART_MS, end);
        child.once('disconnect', () => {
          timer.cancel();
          end();
        });
      });
      // A child without a channel is useless: it is dying, or broken.
      child.once('disconnect', () => {
        if (this.#hasLeft || child.exitCode !== null || child.signalCode !== null) return;
        const timer = clock.setTimer(APART_MS, () => this.kill());
        child.once('exit', () => timer.cancel());
      });
      child.on('error', (error) => {
        if (child.pid === undefined) resolve({ code: null, signal: null, reason: error.message });
      });
    });
  }

  post(message: unknown): void {
    // `exit` reports that it has gone.
    if (this.#child.connected) this.#child.send(message as object, () => {});
  }

  listen(hear: (message: unknown) => void): void {
    this.#child.on('message', hear);
  }

  hold(isHeld: boolean): void {
    if (isHeld) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  leave(): void {
    this.#hasLeft = true;
    if (this.#child.connected) this.#child.disconnect();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
