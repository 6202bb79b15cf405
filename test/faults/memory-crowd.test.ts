import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GatedServer } from '../support/gated-server.ts';
import { addressOf, ServeProcess } from '../support/serve-process.ts';
import { tempFolder } from '../support/trace-files.ts';

/**
 * Clients that send as much as they may and stop, and honest ones beside them, before `conclave serve` in a process of its own.
 * `CROWD_CLIENTS=2000` makes the whole run.
 */
const CLIENTS = Number(process.env.CROWD_CLIENTS ?? 200);
const HONEST = 48;
const PLANS_EACH = 10;
/** Above idle. The whole run may take 512 MB; a small one takes mostly what a process takes that works at all. */
const BYTES_MAX = 512e6;
const MIB = 2 ** 20;
/** Of JSON that is right as far as it goes. */
const FILL = Buffer.alloc(24 * MIB, 'x');

/** What a client sends before it stops, to which way in. */
const GREEDY: readonly { readonly door: 'http' | 'socket'; readonly pieces: () => readonly (string | Buffer)[] }[] = [
  { door: 'http', pieces: () => bodyOf(2 * MIB) },
  { door: 'socket', pieces: () => ['{"jsonrpc":"2.0","method":"', FILL.subarray(0, 24 * MIB - 100)] },
  { door: 'http', pieces: () => bodyOf(65_536) },
  { door: 'socket', pieces: () => ['{"jsonrpc":"2.0","method":"', FILL.subarray(0, 65_000)] },
  { door: 'http', pieces: () => ['GET / HTTP/1.1\r\nx-long: ', FILL.subarray(0, 16_000)] },
  // It never reads its answers.
  { door: 'socket', pieces: () => Array<string>(100).fill('{"jsonrpc":"2.0","id":1,"method":"stats"}\n'.repeat(50)) },
];

function bodyOf(bytes: number): (string | Buffer)[] {
  const head = `POST /v1/plans HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;
  return [`${head}{"agent":"`, FILL.subarray(0, bytes - 100)];
}

function request(agent: string): object {
  const observation = { scene: 'combat', health: 50, inCombat: true, location: agent };
  return { agent, observation, actions: ['attack', 'block', 'retreat'], timeoutMs: 20_000 };
}

interface Ways {
  readonly http: string;
  readonly socket: string;
}

function open(door: keyof Ways, ways: Ways): Socket {
  const url = new URL(ways.http);
  const socket = door === 'http' ? connect(Number(url.port), url.hostname) : connect(ways.socket);
  // Being cut off is one way to end.
  return socket.on('error', () => {});
}

async function planOverHttp(url: string, agent: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/plans`, { method: 'POST', headers, body: JSON.stringify(request(agent)) });
  return answer.json();
}

async function planOverSocket(socket: Socket, agent: string): Promise<unknown> {
  const params = request(agent);
  const line = new Promise<string>((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('close', () => reject(new Error('an honest client was cut off')));
  });
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: agent, method: 'plan', params })}\n`);
  return (JSON.parse(await line) as { result?: unknown }).result;
}

/** One plan after the other. */
async function liveHonestly(nth: number, ways: Ways): Promise<void> {
  const socket = nth % 2 === 0 ? undefined : open('socket', ways);
  for (let plan = 0; plan < PLANS_EACH; plan++) {
    const agent = `honest ${nth} ${plan}`;
    const answer = socket === undefined ? planOverHttp(ways.http, agent) : planOverSocket(socket, agent);
    expect(await answer).toMatchObject({ agent, action: 'attack' });
  }
  socket?.removeAllListeners('close').destroy();
}

function memoryBytes(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1_024;
}

test.runIf(process.platform === 'linux')(
  `${CLIENTS} clients that send as much as they may and stop take little, and ${HONEST} honest ones are all served`,
  {
    timeout: 120_000 + CLIENTS * 100,
  },
  async () => {
    await using server = await GatedServer.start();
    server.open();
    using folder = tempFolder();
    const endpoints = { local: { baseURL: server.baseURL, slots: 64 } };
    const experts = [{ role: 'threat_assessment', model: 'phi' }];
    const config = { endpoints, experts, features: { constrainedAnswers: false } };
    folder.file('conclave.config.json', JSON.stringify(config));
    const path = join(folder.path, 's');
    using serve = new ServeProcess(['serve', '--http', '0', '--socket', path, '--json'], { cwd: folder.path });
    const ready = await serve.ready();
    const ways = { http: addressOf(ready, 'http'), socket: path };
    await liveHonestly(0, ways);
    const idleBytes = memoryBytes(ready.pid, 'VmRSS');
    const greedy = Array.from({ length: CLIENTS }, (_, nth) => {
      const { door, pieces } = GREEDY[nth % GREEDY.length] as (typeof GREEDY)[number];
      const socket = open(door, ways).pause();
      for (const piece of pieces()) socket.write(piece);
      return socket;
    });
    const honest = Array.from({ length: HONEST }, (_, nth) => liveHonestly(nth, ways));
    await Promise.all(honest);
    await Promise.all(Array.from({ length: HONEST }, (_, nth) => liveHonestly(nth, ways)));
    const aboveIdle = memoryBytes(ready.pid, 'VmHWM') - idleBytes;
    if (process.env.CROWD_CLIENTS !== undefined) {
      const sent = greedy.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
      const left = greedy.filter(({ destroyed }) => !destroyed).length;
      const now = memoryBytes(ready.pid, 'VmRSS') - idleBytes;
      console.info({ idleMB: idleBytes / 1e6, peakMB: aboveIdle / 1e6, nowMB: now / 1e6, sentMB: sent / 1e6, left });
    }
    for (const socket of greedy) socket.destroy();
    expect(aboveIdle).toBeLessThan(BYTES_MAX);
  },
);
