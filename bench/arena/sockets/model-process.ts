import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/shared/clock.ts';
import { parseChatRequest } from '../../../src/workers/simulator/chat-request.ts';
import { BodyWriter, chatBody, StreamWriter } from '../../../src/workers/simulator/chat-writer.ts';
import { SimulatedMachine } from '../../../src/workers/simulator/machine.ts';
import { type Latency, machineOptions, SLOTS } from '../model-server.ts';
import { MODEL_ID, PolicyDesk } from '../policy.ts';
import { WORLDS } from '../worlds/worlds.ts';

/**
 * The arena's model behind HTTP, in a process of its own: `start-model.ts` forks it with a world, a seed, a latency and how many
 * times faster than life it is. It tells its parent the port, and ends with it.
 */
const [worldName, seedText, latency, speedText] = process.argv.slice(2) as [string, string, Latency, string];
const seed = Number(seedText);
const makeWorld = WORLDS[worldName];
if (makeWorld === undefined) throw new Error(`there is no world ${worldName}`);
const options = machineOptions(latency, Number(speedText));
const machine = new SimulatedMachine(options, systemClock);
const desk = new PolicyDesk(makeWorld(seed), seed);
const model = options.models[0] as (typeof options.models)[number];

const PAGES: Readonly<Record<string, object>> = {
  '/v1/models': { object: 'list', data: [{ id: MODEL_ID, object: 'model', created: 1, owned_by: 'arena' }] },
  '/props': { total_slots: SLOTS },
};

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function chat(json: string, response: ServerResponse): void {
  const request = parseChatRequest(json);
  if (typeof request === 'string') return sendJson(response, 400, { error: { message: request } });
  const answer = desk.prepare(request);
  const identity = { id: 'chatcmpl-1', model: MODEL_ID, created: 1_700_000_000, hasTimings: false };
  const writer = request.stream
    ? new StreamWriter(response, request, [answer], identity)
    : new BodyWriter(response, 1, (usage) => chatBody([answer], usage, identity));
  const job = machine.submit({
    model,
    prompt: answer.prompt,
    tokens: answer.tokens.length,
    random: answer.latencyRandom,
    listener: {
      onStart: () => writer.start(),
      onTokens: (count) => writer.write(0, count),
      onDone: (usage) => writer.finish(0, usage),
    },
  });
  if (job === undefined) return sendJson(response, 503, { error: { message: 'the queue is full' } });
  response.once('close', () => job.abort());
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const page = PAGES[request.url ?? ''];
    if (request.method === 'POST') chat(Buffer.concat(chunks).toString('utf8'), response);
    else if (page !== undefined) sendJson(response, 200, page);
    else sendJson(response, 404, { error: { message: 'no such page' } });
  });
}

const server = createServer(answer);
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.once('disconnect', () => process.exit());
