import { afterEach, beforeEach, expect } from 'vitest';
import { ModelClient } from '../../src/shared/model-client/model-client.ts';
import type { EndpointAddress } from '../../src/shared/tasks.ts';
import { FakeClock } from './fake-clock.ts';
import { ScriptedServer } from './scripted-server.ts';

/** A client of one scripted server, on a clock that the test moves. */
export let server: ScriptedServer;
export let clock: FakeClock;
export let client: ModelClient;

/** Opens both before each test of the file. After it, no timer may be left. */
export function useModelClient(): void {
  beforeEach(async () => {
    server = await ScriptedServer.start();
    clock = new FakeClock();
    await openClient();
  });
  afterEach(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
    expect(clock.pendingTimers, 'timers left').toBe(0);
  });
}

/** Opens a client in place of the one that there is, which is closed. */
export async function openClient(endpoint: Partial<EndpointAddress> = {}, connections = 4): Promise<void> {
  await client?.close();
  client = new ModelClient({ name: 'local', baseURL: server.baseURL, ...endpoint }, clock, connections);
}

/** Runs what has become ready, network reads included. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
