import { afterEach, beforeEach, expect } from 'vitest';
import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import type { ChatReply } from '../../src/main/chat/chat-reply.ts';
import type { PassReply } from '../../src/main/chat/passed/pass-reply.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { FakeClock } from './fake-clock.ts';
import { ChatServer, makeChats } from './make-chats.ts';

/** Real sockets on a clock that the test moves. `one` and `two` have the model `m`, `two` the ladder's `backup` too. */
export let one: ChatServer;
export let two: ChatServer;
export let planner: ChatPlanner;
export let clock: FakeClock;

/** Starts both servers before each test of the file, and closes them and the planner after it. */
export function useTwoServers(): void {
  beforeEach(async () => {
    clock = new FakeClock(1_000);
    one = await ChatServer.start('m');
    two = await ChatServer.start('m', 'backup');
  });
  afterEach(async () => {
    await planner.close();
    expect(clock.pendingTimers).toBe(0);
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });
}

/** Opens a planner on the servers, whose ladder is `backup` unless the options name another. */
export async function open(
  options: Partial<PlannerOptions> = {},
  servers: Readonly<Record<string, ChatServer>> = { one, two },
): Promise<void> {
  const synthesis = { models: [{ model: 'backup', endpoint: 'two' }] };
  planner = await makeChats(servers, { synthesis, ...options }, clock);
}

/** Where the answer is from; or its code, and the status of a refusal. */
export function summary(reply: PassReply | ChatReply): string {
  if (reply.kind === 'failed') return `${reply.error.code} ${reply.refusal?.status ?? ''}`.trim();
  return `${reply.origin.source} ${reply.origin.model} at ${reply.origin.endpoint}`;
}
