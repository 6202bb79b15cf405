import { openHttpFace } from '../../../src/main/faces/http/open-http-face.ts';
import { BENCH_PARTS } from './bench-parts.ts';
import { warmPlanner } from './warm-planner.ts';

/** As `conclave serve --http` opens it: with its metrics and its page. */
export async function serve(_place: string, modelURL: string): Promise<string> {
  const { address } = await openHttpFace(await warmPlanner(modelURL), { port: 0 }, BENCH_PARTS);
  return address;
}
