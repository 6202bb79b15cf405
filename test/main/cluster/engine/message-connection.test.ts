import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { MessageConnection } from '../../../../src/main/cluster/engine/message-connection.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** What an engine sends for a message. */
function sent(text: string): string {
  return `*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$${text.length}\r\n${text}\r\n`;
}

async function connected(user = '') {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clock = new FakeClock();
  const lost: Error[] = [];
  const messages = new MessageConnection(`redis://${user}127.0.0.1:${port}`, clock, (cause) => lost.push(cause));
  onTestFinished(() => messages.close());
  const [peer] = (await once(server, 'connection')) as [Socket];
  const heard: string[] = [];
  const subscribed = messages.subscribe('news', (message) => heard.push(String(message)));
  await once(peer, 'data');
  return { peer, clock, messages, heard, lost, subscribed };
}

/** Until it is so, in turns of the event loop: the bytes are on their way. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

it('reads what comes after a silence at once, and what comes close after much together', async () => {
  const { peer, clock, messages, heard, subscribed } = await connected();
  peer.write('*3\r\n$10\r\nssubscribe\r\n$4\r\nnews\r\n:1\r\n');
  await subscribed;
  const long = 'x'.repeat(5_000);
  peer.write(sent(long));
  await until(() => heard.length === 1);
  const ponged = messages.ping();
  await once(peer, 'data');
  for (const text of ['a', 'b', 'c']) await new Promise((resolve) => peer.write(sent(text), resolve));
  peer.write('*2\r\n$4\r\npong\r\n$0\r\n\r\n');
  clock.advance(19);
  await setImmediate();
  expect(heard).toEqual([long]);
  clock.advance(1);
  await ponged;
  expect(heard).toEqual([long, 'a', 'b', 'c']);
  peer.write(sent('d'));
  await until(() => heard.length === 5);
});

it('is lost when it is told that a subscription has ended, and what waits for a reply is told so', async () => {
  const { peer, messages, lost, subscribed } = await connected();
  peer.write('-MOVED 1 127.0.0.1:1\r\n');
  await expect(subscribed).rejects.toThrow('MOVED 1');
  peer.write('*3\r\n$12\r\nsunsubscribe\r\n$4\r\nnews\r\n:0\r\n');
  await until(() => lost.length > 0);
  expect(lost[0]?.message).toBe('the engine sent sunsubscribe');
  await expect(messages.ping()).rejects.toThrow();
});

it('tells who it is first, and is lost if that is refused', async () => {
  const { peer, lost, subscribed } = await connected('me%40home:a%2Fb@');
  peer.write('-WRONGPASS invalid\r\n');
  await expect(subscribed).rejects.toThrow('WRONGPASS');
  expect(lost[0]?.message).toBe('WRONGPASS invalid');
});
