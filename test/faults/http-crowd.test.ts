import { expect, test } from 'vitest';
import { forkRandom, randomIndex } from '../../src/shared/random.ts';
import { flush } from '../support/drive.ts';
import { request } from '../support/make-planner.ts';
import { openFace, RawConnection, rawPlan } from '../support/open-face.ts';

/** The whole number is 100,000, of 1,000 clients. */
const REQUESTS = Number(process.env.CROWD_REQUESTS ?? 3_000);
const CLIENTS = Math.min(1_000, REQUESTS / 3);
const SEED = Number(process.env.FUZZ_SEED ?? 2_026);
const PLACES = 50;

/** How a client takes leave: after its answer, with half of a request sent, right after a request, while events come. */
const LEAVES = ['answered', 'half', 'asked', 'events'] as const;

test(`${CLIENTS} clients come, plan and vanish, ${REQUESTS} requests in all: none is lost or crossed, nothing is left (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + REQUESTS * 20,
}, async () => {
  await using at = await openFace({
    script: () => ({ kind: 'answers', action: 'block', afterMs: 5 }),
    planner: { cache: { loopGuard: false, checkShare: 0 }, singleFlight: true, maxInFlight: 10_000 },
  });
  const timers = at.clock.pendingTimers;
  let isOver = false;
  const goOn = (): void => {
    if (isOver) return;
    at.clock.advance(1);
    setImmediate(goOn);
  };
  goOn();
  let answered = 0;
  let wanted = 0;

  const live = async (client: number): Promise<void> => {
    const random = forkRandom(SEED, `client ${client}`);
    using connection = await RawConnection.open(at.port);
    const count = Math.ceil(REQUESTS / CLIENTS);
    for (let nth = 0; nth < count; nth++) {
      const agent = `client ${client} request ${nth}`;
      const body = JSON.stringify(
        request({ agent, observation: { place: `p ${randomIndex(random, PLACES)}`, health: 1 } }),
      );
      const leave = nth === count - 1 ? LEAVES[randomIndex(random, LEAVES.length)] : 'answered';
      const bytes = rawPlan(body, leave === 'events' ? ['accept: text/event-stream'] : []);
      connection.socket.write(leave === 'half' ? bytes.subarray(0, bytes.length - 20) : bytes);
      if (leave === 'events') await connection.until((text) => text.includes('text/event-stream'));
      if (leave !== 'answered') return void connection.socket.resetAndDestroy();
      wanted++;
      await connection.until((text) => text.includes(`"agent":"${agent}"`));
      answered++;
    }
    const agents = [...connection.received.matchAll(/"agent":"client (\d+) request (\d+)"/g)];
    expect(agents.map(([, who, nth]) => [Number(who), Number(nth)])).toEqual(agents.map((_, nth) => [client, nth]));
  };

  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < CLIENTS) await live(next++);
  };
  await Promise.all(Array.from({ length: 100 }, lane));
  expect(answered).toBe(wanted);
  expect(answered).toBeGreaterThan(REQUESTS / 2);
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(0);
  isOver = true;
  await flush();
  const { settled, cancelled, refused, invalid } = at.planner.stats().plans;
  expect(settled).toBeGreaterThanOrEqual(answered);
  expect(settled + cancelled).toBeLessThanOrEqual(REQUESTS);
  expect([refused, invalid]).toEqual([0, 0]);
  await at.face.drain();
  await at.planner.close();
  expect(at.clock.pendingTimers).toBeLessThanOrEqual(timers);
  expect(process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap')).toEqual([]);
});

// Linux resets some of those that do not fit into the queue of a listener: the acknowledgement of such a connection is lost, and the
// second part of what it sends answers no SYN cookie.
test('2,000 clients that come at one moment, each with a request in two parts, are all answered', {
  timeout: 60_000,
}, async () => {
  await using at = await openFace({});
  const text = rawPlan('{"agent":"nobody"}').toString();
  const live = async (): Promise<void> => {
    using connection = await RawConnection.open(at.port);
    connection.socket.setNoDelay().write(text.slice(0, -9));
    connection.socket.write(text.slice(-9));
    await Promise.race([connection.ended, connection.until((heard) => heard.includes('HTTP/1.1 '))]);
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 /);
  };
  await Promise.all(Array.from({ length: 2_000 }, live));
});
