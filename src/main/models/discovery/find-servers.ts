import type { Clock } from '../../../shared/clock.ts';
import { encodeError } from '../../../shared/errors.ts';
import { ModelClient } from '../../../shared/model-client/model-client.ts';
import { discoverEndpoint } from './discover-endpoint.ts';
import type { ServerKind } from './endpoint-facts.ts';
import { type ServerTrouble, troubleIn } from './server-trouble.ts';

/** Where local model servers listen unless told otherwise. Other programs listen there too: what a server is, it says itself. */
export interface KnownPort {
  readonly usual: string;
  readonly port: number;
}

export const KNOWN_PORTS: readonly KnownPort[] = [
  { usual: 'LM Studio', port: 1234 },
  { usual: 'Ollama', port: 11434 },
  { usual: 'llama.cpp', port: 8080 },
  { usual: 'vLLM', port: 8000 },
];

export interface FoundServer {
  /** `localhost:1234`, as an endpoint of this address is called. */
  readonly name: string;
  readonly port: number;
  readonly baseURL: string;
  readonly kind: ServerKind;
  readonly models: readonly string[];
  /** Why it lists no models, where it said so. */
  readonly trouble?: ServerTrouble;
}

/** Somebody at the port of a known server who has not answered in time. */
export type SilentServer = Pick<FoundServer, 'name' | 'port' | 'baseURL'>;

/** A server on this machine answers in a few milliseconds, and a port where nothing listens refuses at once. */
const LOOK_MS = 300;
/** A server is asked for all of its pages at once. */
const CONNECTIONS = 8;

/** The servers that answer at the known ports of this machine with a list of models, or with why they have none. All ports at once, 300 ms at most for each of two looks. */
export async function findServers(
  clock: Clock,
  known: readonly KnownPort[] = KNOWN_PORTS,
  timeoutMs: number = LOOK_MS,
): Promise<FoundServer[]> {
  const looked = await findListeners(clock, known, timeoutMs);
  return looked.filter((server): server is FoundServer => 'models' in server);
}

/** The same, and those that do not refuse and do not answer either. */
export async function findListeners(
  clock: Clock,
  known: readonly KnownPort[] = KNOWN_PORTS,
  timeoutMs: number = LOOK_MS,
): Promise<(FoundServer | SilentServer)[]> {
  const looked = await Promise.all(known.map(({ port }) => lookAt(port, clock, timeoutMs)));
  return looked.filter((server) => server !== undefined);
}

async function lookAt(port: number, clock: Clock, timeoutMs: number): Promise<FoundServer | SilentServer | undefined> {
  const name = `localhost:${port}`;
  const baseURL = `http://${name}/v1`;
  const client = new ModelClient({ name, baseURL }, clock, CONNECTIONS);
  const at = { name, port, baseURL };
  try {
    const models = await client.listModels(timeoutMs);
    const { kind } = await discoverEndpoint(client, timeoutMs);
    return { ...at, kind, models };
  } catch (thrown) {
    const error = encodeError(thrown);
    const trouble = troubleIn(error);
    if (trouble !== undefined) return { ...at, kind: 'unknown', models: [], trouble };
    // What answers anything else is not a model server: the caller is told what was found.
    return error.code.startsWith('ERR_MODEL_TIMEOUT') ? at : undefined;
  } finally {
    await client.close();
  }
}
