import { MODEL } from '../../requests.ts';
import { startServer } from '../../start-server.ts';
import type { Say } from '../../store/rounds.ts';
import { HTTP } from '../clients/dialects.ts';
import { Exchange } from '../clients/exchange.ts';
import { BenchServer } from '../servers/serving.ts';
import type { Figures, Settings } from '../settings.ts';
import { STATES } from '../states.ts';
import { sideBySide } from './side-by-side.ts';

const CONNECTIONS = 32;

/** Cached plans over HTTP, one request at a time on each connection, against a bare fastify route. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const requests = quick ? 2_000 : 20_000;
  say(`http: ${requests} requests a turn, ${CONNECTIONS} connections, one in flight on each`);
  const model = await startServer('answer', MODEL);
  try {
    using planner = await BenchServer.start('conclave-http', '', model.baseURL);
    using bare = await BenchServer.start('bare-fastify', '', '');
    const open = (server: BenchServer): Promise<Exchange> => {
      const { hostname: host, port } = new URL(server.address);
      return Exchange.open({ host, port: Number(port) }, { connections: CONNECTIONS, width: 1, states: STATES }, HTTP);
    };
    using toPlanner = await open(planner);
    using toBare = await open(bare);
    const { ratio, cpuRatio, perSecond } = await sideBySide(
      { name: 'http', server: planner, exchange: toPlanner },
      { name: 'bare fastify', server: bare, exchange: toBare },
      { requests, rounds },
      say,
    );
    return { httpVsBare: ratio, httpVsBareCpu: cpuRatio, httpPlansPerSecond: perSecond };
  } finally {
    model.close();
  }
}
