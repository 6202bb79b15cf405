import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Two nodes before one model server, joined through an engine of their own, on one machine and without containers. A round of
 * requests goes to the nodes in turn: each state is planned for once, at whichever node it was asked first, and both serve it.
 */
const STATES = 12;
const ROUNDS = 4;
const ENGINES = ['valkey-server', 'redis-server'];
const conclave = fileURLToPath(new URL('../../bin/conclave.js', import.meta.url));
const started: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of started) child.kill();
});

/** Starts a process that prints one line of JSON when it is ready. */
async function ready<T>(args: readonly string[]): Promise<T> {
  const child = spawn(process.execPath, [conclave, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown];
  if (typeof line !== 'string') throw new Error(`conclave ${args[0]} has ended`);
  return JSON.parse(line) as T;
}

/** Stops what was started, the latest first: nodes leave the cluster before its engine ends. */
async function stopAll(): Promise<void> {
  for (const child of started.splice(0).reverse()) {
    const ended = once(child, 'exit');
    if (child.kill()) await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function engine(port: number): Promise<string> {
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  for (const command of ENGINES) {
    const child = spawn(command, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    const failed = new Promise<false>((resolve) => child.once('error', () => resolve(false)));
    if ((await Promise.race([failed, once(child.stdout, 'data')])) === false) continue;
    started.push(child);
    console.log(`engine: ${command} at port ${port}`);
    return `redis://127.0.0.1:${port}`;
  }
  throw new Error(`none of ${ENGINES.join(', ')} is installed (Debian: apt-get install redis-server)`);
}

interface Plan {
  readonly action: string;
  readonly source: string;
  readonly planningMs?: number;
}

const actions = ['attack', 'raise the shield', 'retreat', 'drink a potion'];

async function plan(baseURL: string, agent: string, state: number): Promise<Plan> {
  const observation = {
    scene: 'combat',
    health: (state * 23) % 101,
    inCombat: true,
    enemiesNearby: state % 4,
    location: `hall ${state}`,
  };
  const answer = await fetch(`${baseURL}/v1/plans`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ agent, observation, actions, timeoutMs: 5_000 }),
  });
  if (!answer.ok) throw new Error(`${baseURL}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Plan;
}

const url = await engine(await freePort());
const model = await ready<{ baseURL: string }>(['simulate', '--port', '0', '--speed', '4', '--json']);
console.log(`model server: ${model.baseURL}`);
const nodes: string[] = [];
for (const name of ['a', 'b']) {
  const flags = ['serve', '--http', '0', '--endpoint', model.baseURL, '--cluster', url, '--json'];
  const { faces } = await ready<{ faces: { address: string }[] }>(flags);
  const address = faces[0]?.address as string;
  nodes.push(address);
  console.log(`node ${name}: ${address} (its page: ${address}/)`);
}

for (let round = 0; round < ROUNDS; round++) {
  const asked = Array.from({ length: STATES }, async (_, state) => {
    const node = nodes[(state + round) % 2] as string;
    return plan(node, `guard ${state} of round ${round}`, state);
  });
  const counts = new Map<string, number>();
  for (const { source } of await Promise.all(asked)) counts.set(source, (counts.get(source) ?? 0) + 1);
  const text = [...counts].map(([source, count]) => `${count} × ${source}`).join(', ');
  console.log(`round ${round + 1}, ${STATES} states, each at the other node than before: ${text}`);
}
for (const [index, baseURL] of nodes.entries()) {
  const { cluster } = (await (await fetch(`${baseURL}/v1/stats`)).json()) as { cluster: object };
  console.log(`node ${index === 0 ? 'a' : 'b'}:`, JSON.stringify(cluster));
}
await stopAll();
