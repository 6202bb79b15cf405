import { join } from 'node:path';
import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import { openSocketFace, type SocketFace } from '../../src/main/faces/socket/socket-face.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { Domain } from '../../src/shared/domain.ts';
import { FakeModels } from './fake-models.ts';
import { testDomain, testOptions } from './make-planner.ts';
import { makeLog, makeSocketFolder, PLAIN_CACHE } from './make-socket-face.ts';

export interface SocketUnderLoad extends AsyncDisposable {
  readonly planner: ChatPlanner;
  readonly face: SocketFace;
  readonly path: string;
  readonly models: FakeModels;
}

/** A real socket before a real planner in real time, over models that answer `block` or `attack` within milliseconds. */
export async function makeSocketLoad(domain: Domain = testDomain): Promise<SocketUnderLoad> {
  const folder = makeSocketFolder();
  const models = new FakeModels(systemClock, ({ nth }) => ({ kind: 'answers', action: 'block', afterMs: nth % 4 }));
  const planner = await createPlanner(
    { ...testOptions, domain, cache: { ...PLAIN_CACHE, entries: 200 }, maxInFlight: 1_000_000, timeoutMs: 20_000 },
    { clock: systemClock, pool: models, client: () => models },
  );
  const path = join(folder.path, 's');
  const parts = { clock: systemClock, log: makeLog().log, version: '1.2.3' };
  const face = await openSocketFace(planner, { path, connectionsMax: 4_096 }, parts);
  return {
    planner,
    face,
    path,
    models,
    [Symbol.asyncDispose]: async () => {
      await face.close();
      await planner.close();
      folder[Symbol.dispose]();
    },
  };
}
