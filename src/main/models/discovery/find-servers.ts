import type { Clock } from '../../../shared/clock.ts';
import { encodeError } from '../../../shared/errors.ts';
import { ModelClient } from '../../../shared/model-client/model-client.ts';
import { discoverEndpoint } from './discover-endpoint.ts';
import type { ServerKind } from './endpoint-facts.ts';
import { type ServerTrouble, troubleIn } from './server-trouble.ts';

/** A default port of local model servers. Other programs use these ports too: the answers show what a server is. */
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
  /** Name of the endpoint for this address, such as `localhost:1234`. */
  readonly name: string;
  readonly port: number;
  readonly baseURL: string;
  readonly kind: ServerKind;
  readonly models: readonly string[];
  /** Why it lists no models, if it reported that. */
  readonly trouble?: ServerTrouble;
}

/** A listener at the port of a known server that has not answered in time. */
export type SilentServer = Pick<FoundServer, 'name' | 'port' | 'baseURL'>;

/** A server on this machine answers in a few milliseconds, and a port where nothing listens refuses immediately. */
const LOOK_MS = 300;
/** All pages of a server are requested at once. */
const CONNECTIONS = 8;

/**
 * The servers at the known ports of this machine that answer with a list of models, or with why they have none. Tries all ports
 * at once, twice, for at most 300 ms each time.
 */
export async function findServers(
  clock: Clock,
  known: readonly KnownPort[] = KNOWN_PORTS,
  timeoutMs: number = LOOK_MS,
): Promise<FoundServer[]> {
  const looked = await findListeners(clock, known, timeoutMs);
  return looked.filter((server): server is FoundServer => 'models' in server);
}

/** As `findServers`, and also the listeners that neither refuse nor answer. */
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
    // Any other answer is not from a model server. Only silence is returned.
    return error.code.startsWith('ERR_MODEL_TIMEOUT') ? at : undefined;
  } finally {
    await client.close();
  }
}
