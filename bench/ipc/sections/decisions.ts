import { median, rounded } from '../../figures.ts';
import { MODEL } from '../../requests.ts';
import { startServer } from '../../start-server.ts';
import { type Contestant, playRounds, type Say, sayTimes, type Times, timesOf } from '../../store/rounds.ts';
import { posts } from '../clients/dialects.ts';
import { type Dialect, Exchange } from '../clients/exchange.ts';
import { BenchServer } from '../servers/serving.ts';
import type { Figures, Settings } from '../settings.ts';

const CONNECTIONS = 8;
/** More than the cache holds: none of them is answered from it. */
const STATES = 2_048;

const stateOf = (index: number): string =>
  `A torch lit hall with two pillars, a closed door to the north and a chest by the wall. A wolf comes. You have ${index % 101} health. Marker ${index}.`;
const SYSTEM = 'You are the mind of a game character who wants to stay alive.';

/** A chat that its client does not stream, and that no cache keeps. */
const CHAT = posts('/v1/chat/completions', (index) => ({
  model: MODEL,
  max_tokens: 64,
  messages: [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `${stateOf(index)}\n\nWhat now?\n1. fight\n2. flee\n\nAnswer with a number.` },
  ],
}));
/** One question, at the defaults: its answer is kept. */
const DECISION = posts('/v1/decisions', (index) => ({
  model: MODEL,
  input: [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: stateOf(index) },
  ],
  questions: [
    { type: 'choice', name: 'q', instructions: 'What now?', choices: [{ value: 'fight' }, { value: 'flee' }] },
  ],
}));
/** The chat that a decision becomes where the server has no call for it. */
const READ = posts('/v1/chat/completions', (index) => ({
  model: MODEL,
  max_tokens: 1,
  temperature: 0,
  stream: false,
  logprobs: true,
  top_logprobs: 20,
  messages: [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `${stateOf(index)}\n\nWhat now?\n1. fight\n2. flee\n\nAnswer with a number.` },
  ],
}));

/** The same request through Conclave and at the bare model server. */
interface Pair {
  readonly name: string;
  readonly through: Exchange;
  readonly bare: Exchange;
  readonly gateway: BenchServer;
}

/** What Conclave adds to a chat, to a decision that its server has a call for, and to one that is read from a chat. */
export async function run({ quick, rounds }: Settings, say: Say): Promise<Figures> {
  const requests = quick ? 400 : 2_000;
  say(`decisions: ${requests} requests a turn, ${CONNECTIONS} connections, one in flight on each`);
  const [answering, stock] = [await startServer('answer', MODEL), await startServer('stock', MODEL)];
  try {
    using gateway = await BenchServer.start('conclave-chats', '', answering.baseURL);
    using overStock = await BenchServer.start('conclave-chats', '', stock.baseURL);
    using stack = new DisposableStack();
    const open = async (address: string, dialect: Dialect): Promise<Exchange> => {
      const { hostname: host, port } = new URL(address);
      const how = { connections: CONNECTIONS, width: 1, states: STATES };
      const exchange = stack.use(await Exchange.open({ host, port: Number(port) }, how, dialect));
      // A server closes a connection on which no first request comes.
      await exchange.run(CONNECTIONS);
      return exchange;
    };
    const pair = async (
      name: string,
      server: BenchServer,
      url: string,
      asked: Dialect,
      bare = asked,
    ): Promise<Pair> => ({
      name,
      gateway: server,
      through: await open(server.address, asked),
      bare: await open(url, bare),
    });
    return await compare(
      [
        await pair('chat', gateway, answering.baseURL, CHAT),
        await pair('decision', gateway, answering.baseURL, DECISION),
        await pair('read', overStock, stock.baseURL, DECISION, READ),
      ],
      { requests, rounds },
      say,
    );
  } finally {
    answering.close();
    stock.close();
  }
}

async function compare(pairs: readonly Pair[], { requests, rounds }: { requests: number; rounds: number }, say: Say) {
  const cpu = new Map<Pair, number[]>(pairs.map((pair) => [pair, []]));
  const contestants = pairs.flatMap((pair): Contestant[] => [
    { name: `bare ${pair.name}`, operations: requests, turn: () => pair.bare.run(requests) },
    {
      name: pair.name,
      operations: requests,
      turn: async () => {
        const beforeMs = await pair.gateway.cpuMs();
        const came = await pair.through.run(requests);
        cpu.get(pair)?.push((await pair.gateway.cpuMs()) - beforeMs);
        return came;
      },
    },
  ]);
  const times = await playRounds(contestants, rounds, 2, say);
  sayTimes(say, times);
  const figures: Record<string, number> = {};
  for (const pair of pairs) {
    const added = addedMicros(times, pair.name);
    figures[`${pair.name}Overhead`] = rounded(added / 1_000);
    figures[`${pair.name}OverheadCpu`] = rounded(median(cpu.get(pair)?.slice(-rounds) ?? []) / requests);
  }
  figures.decisionVsChatOverhead = rounded(ratio(times, 'decision'));
  figures.readVsChatOverhead = rounded(ratio(times, 'read'));
  return figures;
}

/** By round, what Conclave adds to a request, in microseconds; the median. */
function addedMicros(times: readonly Times[], name: string): number {
  return median(added(times, name).map((ns) => ns / 1_000));
}

function added(times: readonly Times[], name: string): number[] {
  const bare = timesOf(times, `bare ${name}`).ns;
  return timesOf(times, name).ns.map((ns, round) => ns - (bare[round] as number));
}

/** What is added, against what is added to a chat, within a round; the median. */
function ratio(times: readonly Times[], name: string): number {
  const chats = added(times, 'chat');
  return median(added(times, name).map((ns, round) => ns / (chats[round] as number)));
}
