import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { Pool } from 'undici';
import { openHttpFace } from '../../../src/main/faces/http/open-http-face.ts';
import { openStdioFace } from '../../../src/main/faces/socket/stdio-face.ts';
import { allFeatures } from '../../../src/main/options/features.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { choosing } from '../choosing-server.ts';
import { DOOR_ROWS } from '../door-rows.ts';
import { ChatServer, makeChats } from '../make-chats.ts';
import { makeSocketLoad, type SocketUnderLoad } from '../make-socket-load.ts';
import { rawPlan, silentLog } from '../open-face.ts';
import { PLAIN_LADDER } from '../plain-ladder.ts';
import { domain } from '../rows/plan-rows.ts';
import { events, FINISH, json, piece, ScriptedServer } from '../scripted-server.ts';
import { type Entrance, entrance } from './door.ts';
import { bodyDoor, requestDoor } from './http-doors.ts';
import { LARGEST } from './largest.ts';
import { LineDoor } from './line-door.ts';
import { ServedDoor, textDoor } from './model-doors.ts';
import { ThreadDoor } from './thread-door.ts';

export interface Doors extends AsyncDisposable {
  readonly at: SocketUnderLoad;
  readonly each: Readonly<Record<string, Entrance>>;
  readonly lineDoors: readonly LineDoor[];
  /** Lets go of what model servers have been asked. */
  forget(): void;
}

const PARTS = { clock: systemClock, log: silentLog, version: '1.2.3' };

/** Every way in to a planner, its gateway for chats and the model servers behind them, all in this process but for one thread. */
export async function openDoors(atOnce: number): Promise<Doors> {
  const opened = new AsyncDisposableStack();
  const at = opened.use(await makeSocketLoad(domain));
  const http = await plansOver(opened, at, atOnce);
  const gateway = await chatsOver(opened, atOnce);
  const socket = new LineDoor(() => {
    const client = connect(at.path);
    return { input: client, output: client };
  });
  const stdio = new LineDoor(() => openStdio(opened, at));
  const { values, lines, answers } = DOOR_ROWS;
  const each = {
    ...http,
    ...gateway.each,
    socket: entrance(socket.send, lines, LARGEST.line),
    stdio: entrance(stdio.send, lines, LARGEST.line),
    ipc: entrance((await openThread(opened)).send, values, LARGEST.plan),
    'model texts': entrance(textDoor, answers, LARGEST.answer),
    'model answers': await openServed(opened),
  };
  const dispose = (): Promise<void> => opened.disposeAsync();
  return { at, each, lineDoors: [socket, stdio], forget: gateway.forget, [Symbol.asyncDispose]: dispose };
}

async function plansOver(opened: AsyncDisposableStack, at: SocketUnderLoad, atOnce: number) {
  const face = opened.use(await openHttpFace(at.planner, { port: 0 }, PARTS));
  const pool = new Pool(face.address, { connections: atOnce });
  opened.defer(() => pool.destroy());
  const port = Number(new URL(face.address).port);
  return {
    'http plans': entrance(bodyDoor(pool, '/v1/plans'), DOOR_ROWS.plans, LARGEST.plan),
    'http expectations': entrance(bodyDoor(pool, '/v1/expectations'), DOOR_ROWS.futures, LARGEST.plan),
    'http observations': entrance(bodyDoor(pool, '/v1/observations'), DOOR_ROWS.plans, LARGEST.plan),
    'http bytes': entrance(requestDoor(port), DOOR_ROWS.requests, { plan: rawPlan(LARGEST.plan.plan) }),
  };
}

async function chatsOver(opened: AsyncDisposableStack, atOnce: number) {
  const server = opened.use(await ChatServer.start('m', 'a/b-7b'));
  server.routes = { '/v1/responses': ({ response }) => json(response, 200, { id: 'r', status: 'completed' }) };
  const gateway = opened.use(await makeChats({ local: server }, { features: allFeatures(false) }));
  const face = opened.use(await openHttpFace(gateway, { port: 0 }, PARTS));
  const pool = new Pool(face.address, { connections: atOnce });
  opened.defer(() => pool.destroy());
  const { chats, passed } = DOOR_ROWS;
  const each = {
    'http chats': entrance(bodyDoor(pool, '/v1/chat/completions'), chats, LARGEST.chat),
    'http responses': entrance(bodyDoor(pool, '/v1/responses'), passed, LARGEST.passed),
  };
  return { each, forget: () => server.forget() };
}

function openStdio(opened: AsyncDisposableStack, at: SocketUnderLoad) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const face = opened.use(openStdioFace(at.planner, {}, { ...PARTS, input, output }));
  // Its streams stay open when it ends.
  void face.ended.then(() => output.end());
  return { output: input, input: output };
}

async function openThread(opened: AsyncDisposableStack): Promise<ThreadDoor> {
  const server = opened.use(await ScriptedServer.start());
  server.script = choosing(() => '2\nBecause.');
  const endpoints = { local: { baseURL: server.baseURL } };
  const experts = [{ role: 'one', model: 'm' }];
  return opened.use(
    await ThreadDoor.open({ domain, endpoints, experts, ...PLAIN_LADDER, workers: { threads: 1 }, maxInFlight: 1_000 }),
  );
}

async function openServed(opened: AsyncDisposableStack): Promise<Entrance> {
  const server = opened.use(await ChatServer.start('m'));
  const gateway = opened.use(await makeChats({ e: server }, { features: allFeatures(false), callRetries: 0 }));
  const client = new ModelClient({ name: 'e', baseURL: server.baseURL }, systemClock, 16);
  opened.defer(() => client.close());
  const door = new ServedDoor({ server, gateway, client });
  const rows = DOOR_ROWS.served.map((row) => ({ bytes: row.bytes, door: door.doorOf(row) }));
  const bytes = Buffer.from(events(piece('1'), piece('x'.repeat(LARGEST.eventChars)), FINISH, '[DONE]'));
  return { rows, largest: { event: { bytes, door: door.doorOf({ status: 200, type: 'text/event-stream' }) } } };
}
