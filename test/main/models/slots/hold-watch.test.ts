import { expect, test } from 'vitest';
import { HoldWatch } from '../../../../src/main/models/slots/hold-watch.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** Two slots are held beside one call at work; the server answers when it is told to. */
class Server {
  readonly clock = new FakeClock();
  readonly questions: PromiseWithResolvers<number | undefined>[] = [];
  ended = 0;
  held = 2;
  readonly watch: HoldWatch;

  constructor() {
    const slots = {
      get ownBusy() {
        return 1 + server.held;
      },
      get held() {
        return server.held;
      },
      endHolds: () => {
        this.ended++;
        this.held = 0;
      },
    };
    const server = this;
    this.watch = new HoldWatch(this.clock, slots, () => {
      const question = Promise.withResolvers<number | undefined>();
      this.questions.push(question);
      return question.promise;
    });
  }

  async answers(busy: number | undefined): Promise<void> {
    this.questions.at(-1)?.resolve(busy);
    await flush();
  }
}

test('slots are free as soon as the server shows no more at work than are wanted', async () => {
  const server = new Server();
  server.watch.began(5_000);
  expect([server.questions.length, server.watch.isBusy]).toEqual([1, true]);
  await server.answers(1);
  expect([server.ended, server.watch.isBusy]).toEqual([1, false]);
});

test('it is asked again while it shows more, and thought to be busy until then', async () => {
  const server = new Server();
  server.watch.began(5_000);
  await server.answers(3);
  expect([server.ended, server.watch.isBusy, server.questions.length]).toEqual([0, true, 1]);
  server.clock.advance(100);
  expect(server.questions).toHaveLength(2);
  await server.answers(1);
  expect([server.ended, server.watch.isBusy]).toEqual([1, false]);
});

test('one question at a time, and none for a hold that is over before the answer', async () => {
  const server = new Server();
  server.watch.began(40);
  expect(server.questions).toHaveLength(0);
  server.watch.began(5_000);
  server.watch.began(5_000);
  expect(server.questions).toHaveLength(1);
});

test('a server that does not tell is not asked again for a minute, and holds are estimates', async () => {
  const server = new Server();
  server.watch.began(5_000);
  await server.answers(undefined);
  expect([server.ended, server.watch.isBusy]).toEqual([0, false]);
  server.watch.began(5_000);
  expect(server.questions).toHaveLength(1);
  server.clock.advance(60_000);
  server.watch.began(5_000);
  expect(server.questions).toHaveLength(2);
});

test('it ends with its endpoint', async () => {
  const server = new Server();
  server.watch.began(5_000);
  await server.answers(3);
  server.watch.close();
  server.clock.advance(1_000);
  expect(server.questions).toHaveLength(1);
});
