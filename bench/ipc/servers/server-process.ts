/** A server of the comparison in a process of its own: says where it listens and what it costs, and ends with its parent. */
import type { Serving } from './serving.ts';

export const SERVERS = {
  'conclave-socket': './conclave-socket.ts',
  'conclave-http': './conclave-http.ts',
  'conclave-chats': './conclave-chats.ts',
  'echo-lines': './echo-lines.ts',
  'bare-fastify': './bare-fastify.ts',
} as const;
export type ServerName = keyof typeof SERVERS;

/** From the server: where it listens once, then what it has cost whenever it is asked. */
export type ServerMessage = { readonly address: string } | { readonly cpuMs: number };

if (import.meta.main) {
  const [name, place, modelURL] = process.argv.slice(2) as [ServerName, string, string];
  const { serve } = (await import(SERVERS[name])) as Serving;
  const address = await serve(place, modelURL);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1_000 } satisfies ServerMessage);
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ address } satisfies ServerMessage);
}
