import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL } from '../../requests.ts';
import { startServer } from '../../start-server.ts';
import type { Say } from '../../store/rounds.ts';
import { LINES } from '../clients/dialects.ts';
import { Exchange } from '../clients/exchange.ts';
import { BenchServer } from '../servers/serving.ts';
import type { Figures, Settings } from '../settings.ts';
import { STATES } from '../states.ts';
import { sideBySide } from './side-by-side.ts';

const CONNECTIONS = 4;
/** Less than the calls a client may have in flight. */
const WIDTH = 64;

/** Cached plans over a Unix socket, pipelined, against a bare echo of JSON lines. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const requests = quick ? 4_000 : 60_000;
  say(`lines: ${requests} requests a turn, ${CONNECTIONS} connections, ${WIDTH} in flight on each`);
  const folder = mkdtempSync(join(tmpdir(), 'conclave-bench-'));
  const model = await startServer('answer', MODEL);
  try {
    using planner = await BenchServer.start('conclave-socket', join(folder, 'planner.sock'), model.baseURL);
    using echo = await BenchServer.start('echo-lines', join(folder, 'echo.sock'), '');
    const how = { connections: CONNECTIONS, width: WIDTH, states: STATES };
    using toPlanner = await Exchange.open({ path: planner.address }, how, LINES);
    using toEcho = await Exchange.open({ path: echo.address }, how, LINES);
    const { ratio, cpuRatio, perSecond } = await sideBySide(
      { name: 'socket', server: planner, exchange: toPlanner },
      { name: 'echo', server: echo, exchange: toEcho },
      { requests, rounds },
      say,
    );
    return { socketVsEcho: ratio, socketVsEchoCpu: cpuRatio, socketPlansPerSecond: perSecond };
  } finally {
    model.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
