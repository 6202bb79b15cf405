import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaceLog } from '../../src/main/faces/face.ts';
import { openSocketFace, type SocketFace } from '../../src/main/faces/socket/socket-face.ts';
import type { SocketFaceOptions } from '../../src/main/faces/socket/socket-options.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
import type { Behaviour } from './fake-models.ts';
import { makePlanner, type PlannerUnderTest } from './make-planner.ts';

export interface LoggedLine {
  readonly level: keyof FaceLog;
  readonly data: object;
  readonly message: string;
}

export interface FaceUnderTest extends PlannerUnderTest {
  readonly face: SocketFace;
  readonly path: string;
  readonly logged: readonly LoggedLine[];
}

export function makeLog(): { log: FaceLog; logged: LoggedLine[] } {
  const logged: LoggedLine[] = [];
  const at =
    (level: keyof FaceLog) =>
    (data: object, message: string): void =>
      void logged.push({ level, data, message });
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, logged };
}

export interface SocketFolder extends Disposable {
  readonly path: string;
}

export function makeSocketFolder(): SocketFolder {
  const path = mkdtempSync(join(tmpdir(), 'conclave-socket-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Plain caching, for plans that are to be answered at once whenever their state is known. */
export const PLAIN_CACHE = { loopGuard: false, checkShare: 0, refreshAhead: false, valuesMin: false } as const;

/**
 * A real socket before a real planner over scripted models. The planner's time is a fake clock's; the face's too with
 * `clock: 'fake'`.
 */
export async function makeSocketFace(
  given: {
    readonly script?: (call: { role: string | undefined; model: string; nth: number }) => Behaviour;
    readonly options?: Omit<SocketFaceOptions, 'path'>;
    readonly planner?: Partial<PlannerOptions>;
    readonly clock?: 'fake' | 'system';
  } = {},
): Promise<FaceUnderTest> {
  const folder = makeSocketFolder();
  const path = join(folder.path, 'planner.sock');
  const script = given.script ?? (() => ({ kind: 'answers', action: 'block' }));
  const made = await makePlanner(script, { cache: PLAIN_CACHE, ...given.planner });
  const { log, logged } = makeLog();
  const clock: Clock = given.clock === 'fake' ? made.clock : systemClock;
  const face = await openSocketFace(made.planner, { path, ...given.options }, { clock, log, version: '1.2.3' });
  return {
    ...made,
    face,
    path,
    logged,
    [Symbol.asyncDispose]: async () => {
      await face.close();
      await made.planner.close();
      folder[Symbol.dispose]();
    },
  };
}
