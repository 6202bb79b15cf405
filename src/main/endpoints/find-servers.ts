import type { Clock } from '../../shared/clock.ts';
import { encodeError } from '../../shared/errors.ts';
import { ModelClient } from '../../shared/model-client/model-client.ts';

/** Where local model servers listen unless told otherwise. */
export interface KnownServer {
  readonly name: string;
  readonly port: number;
}

export const KNOWN_SERVERS: readonly KnownServer[] = [
  { name: 'LM Studio', port: 1234 },
  { name: 'Ollama', port: 11434 },
  { name: 'llama.cpp', port: 8080 },
  { name: 'vLLM', port: 8000 },
];

export interface FoundServer extends KnownServer {
  readonly baseURL: string;
  readonly models: readonly string[];
}

/** Somebody at the port of a known server who has not answered in time. */
export type SilentServer = Omit<FoundServer, 'models'>;

/** A server on this machine answers in a few milliseconds, and a port where nothing listens refuses at once. */
const LOOK_MS = 300;

/** The known servers that answer on this machine with a list of models. All ports at once, 300 ms at most. */
export async function findServers(
  clock: Clock,
  known: readonly KnownServer[] = KNOWN_SERVERS,
  timeoutMs: number = LOOK_MS,
): Promise<FoundServer[]> {
  const looked = await findListeners(clock, known, timeoutMs);
  return looked.filter((server): server is FoundServer => 'models' in server);
}

/** The same, and those that do not refuse and do not answer either. */
export async function findListeners(
  clock: Clock,
  known: readonly KnownServer[] = KNOWN_SERVERS,
  timeoutMs: number = LOOK_MS,
): Promise<(FoundServer | SilentServer)[]> {
  const looked = await Promise.all(known.map((server) => lookAt(server, clock, timeoutMs)));
  return looked.filter((server) => server !== undefined);
}

async function lookAt(
  server: KnownServer,
  clock: Clock,
  timeoutMs: number,
): Promise<FoundServer | SilentServer | undefined> {
  const baseURL = `http://localhost:${server.port}/v1`;
  const client = new ModelClient({ name: server.name, baseURL }, clock, 1);
  try {
    return { ...server, baseURL, models: await client.listModels(timeoutMs) };
  } catch (error) {
    // What answers anything else is not a model server: the caller is told what was found.
    return encodeError(error).code.startsWith('ERR_MODEL_TIMEOUT') ? { ...server, baseURL } : undefined;
  } finally {
    await client.close();
  }
}
