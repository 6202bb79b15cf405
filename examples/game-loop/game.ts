import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connectPlanner, type PlanRequest } from '../../src/main/index.ts'; // installed: from 'conclave'

/*
 * A game of thirty guards at 60 frames a second, which never waits for a plan: each frame it moves everybody by what they
 * last decided, asks for those who have to decide anew, and goes on. A plan is applied when it comes; until then the old
 * decision stands.
 */

const FRAME_MS = 1_000 / 60;
const GUARDS = 30;
const [, , path, seconds = '3'] = process.argv;
const frames = Math.round((Number(seconds) * 1_000) / FRAME_MS);

interface Guard {
  readonly name: string;
  health: number;
  enemies: number;
  action: string;
  /** A plan is under way. */
  isThinking: boolean;
  /** The frame in which it decides anew. */
  thinksAtFrame: number;
}

const WORTH: Readonly<Record<string, number>> = { attack: 0.6, block: 0.4, retreat: 0.2, patrol: 0.5, rest: 0.3 };

function actionsOf({ enemies }: Guard): string[] {
  return enemies > 0 ? ['attack', 'block', 'retreat'] : ['patrol', 'rest'];
}

function requestOf(guard: Guard): PlanRequest {
  const { name, health, enemies } = guard;
  return {
    agent: name,
    observation: {
      scene: enemies > 0 ? 'combat' : 'outdoor_city',
      health,
      inCombat: enemies > 0,
      enemiesNearby: enemies,
    },
    actions: actionsOf(guard),
    qValues: WORTH,
  };
}

/** The world goes on by itself, from a seed, so that every run has the same fights. */
let chance = 1;
function roll(sides: number): number {
  chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
  return (chance >>> 16) % sides;
}

function live(guard: Guard): void {
  if (roll(90) === 0) guard.enemies = roll(4);
  if (guard.action === 'attack' && guard.enemies > 0 && roll(30) === 0) guard.enemies--;
  if (guard.action === 'retreat') guard.enemies = 0;
  if (guard.enemies > 0 && guard.action !== 'block' && roll(10) === 0) guard.health = Math.max(guard.health - 5, 5);
  if (guard.action === 'rest') guard.health = Math.min(guard.health + 1, 100);
  // An action that the world has made impossible ends.
  if (!actionsOf(guard).includes(guard.action)) guard.action = guard.enemies > 0 ? 'block' : 'patrol';
}

/** A planner of its own where none is given: it speaks over the standard input and output of its process. */
function startServer(): ChildProcess {
  const cli = new URL('../../bin/conclave.js', import.meta.url).pathname;
  return spawn(process.execPath, [cli, 'serve', '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
}

const child = path === undefined ? startServer() : undefined;
const streams = child?.stdout && child.stdin ? { input: child.stdout, output: child.stdin } : undefined;
await using planner = await connectPlanner(streams ?? (path as string), { client: 'game', connectTimeoutMs: 30_000 });
const guards: Guard[] = Array.from({ length: GUARDS }, (_, index) => ({
  name: `guard ${index}`,
  health: 100,
  enemies: 0,
  action: 'patrol',
  isThinking: false,
  thinksAtFrame: index,
}));
const plans = { asked: 0, applied: 0, outdated: 0, failed: 0 };

function think(guard: Guard, frame: number): void {
  guard.isThinking = true;
  guard.thinksAtFrame = frame + 30;
  plans.asked++;
  planner.plan(requestOf(guard), { timeoutMs: 1_000 }).then(
    ({ action }) => {
      guard.isThinking = false;
      // Its world may have changed since it was asked.
      if (actionsOf(guard).includes(action)) {
        guard.action = action;
        plans.applied++;
      } else plans.outdated++;
    },
    () => {
      guard.isThinking = false;
      plans.failed++;
    },
  );
}

let lateFrames = 0;
let longestMs = 0;
const startMs = performance.now();
for (let frame = 0; frame < frames; frame++) {
  const beganMs = performance.now();
  for (const guard of guards) {
    live(guard);
    if (!guard.isThinking && frame >= guard.thinksAtFrame) think(guard, frame);
  }
  longestMs = Math.max(longestMs, performance.now() - beganMs);
  const dueMs = startMs + (frame + 1) * FRAME_MS;
  if (performance.now() > dueMs) lateFrames++;
  await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs - performance.now(), 0)));
}
await planner.close({ drainMs: 2_000 });
console.log(`${frames} frames, ${lateFrames} late; the longest had ${longestMs.toFixed(1)} ms of work`);
console.log(`${plans.asked} plans: ${plans.applied} applied, ${plans.outdated} outdated, ${plans.failed} failed`);
if (child !== undefined && child.exitCode === null) await once(child, 'exit');
