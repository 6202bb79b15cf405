import { type Clock, systemClock } from '../../shared/clock.ts';
import { PlannerError } from '../../shared/errors.ts';
import { SimulatorServer, type SimulatorStats } from './http-server.ts';
import { resolveSimulatorOptions, type SimulatorOptions } from './options.ts';

export interface SimulatorHandle extends AsyncDisposable {
  readonly port: number;
  /** The URL for clients: `http://127.0.0.1:PORT/v1`. */
  readonly baseURL: string;
  stats(): SimulatorStats;
  /** Ends open connections and drops their work. */
  close(): Promise<void>;
  /** Restarts with other settings at the same port, as a user would: what the server reports about itself changes. */
  restart(changes: SimulatorOptions): Promise<void>;
}

/** Starts a simulated model server in this thread. Throws ERR_OPTIONS_INVALID, also if the port is not available. */
export async function startSimulator(
  options: SimulatorOptions = {},
  clock: Clock = systemClock,
): Promise<SimulatorHandle> {
  const resolved = resolveSimulatorOptions(options);
  let server = new SimulatorServer(resolved, clock);
  const port = await listen(server, resolved.host, resolved.port);
  const host = resolved.host.includes(':') ? `[${resolved.host}]` : resolved.host;
  const close = (): Promise<void> => server.close();
  const restart = async (changes: SimulatorOptions): Promise<void> => {
    await server.close();
    const changed = resolveSimulatorOptions({ ...options, ...changes, port });
    server = new SimulatorServer(changed, clock);
    await listen(server, changed.host, port);
  };
  return {
    port,
    baseURL: `http://${host}:${port}/v1`,
    stats: () => server.stats(),
    close,
    restart,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: SimulatorServer, host: string, port: number): Promise<number> {
  try {
    return await server.listen();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new PlannerError(
      'ERR_OPTIONS_INVALID',
      `simulator.port must be free to listen on, got ${host}:${port} (${code})`,
      { cause },
    );
  }
}
