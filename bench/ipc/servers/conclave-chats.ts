import { openHttpFace } from '../../../src/main/faces/http/open-http-face.ts';
import { createPlanner, skyrim } from '../../../src/main/index.ts';
import { BENCH_PARTS } from './bench-parts.ts';

/** As `conclave serve --http` opens it, for chats and decisions alone: no expert uses the server. */
export async function serve(_place: string, modelURL: string): Promise<string> {
  const endpoints = { bench: { baseURL: modelURL, maxConcurrent: 64 } };
  const planner = await createPlanner({ domain: skyrim, endpoints, experts: [], synthesis: { models: [] } });
  const { address } = await openHttpFace(planner, { port: 0 }, BENCH_PARTS);
  return address;
}
