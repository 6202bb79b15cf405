import { openSocketFace } from '../../../src/main/faces/socket/socket-face.ts';
import { BENCH_PARTS } from './bench-parts.ts';
import { warmPlanner } from './warm-planner.ts';

export async function serve(path: string, modelURL: string): Promise<string> {
  const { address } = await openSocketFace(await warmPlanner(modelURL), { path }, BENCH_PARTS);
  return address;
}
