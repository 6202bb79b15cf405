import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { clusterNames, type EngineReply } from '../../../../src/main/cluster/engine/engine.ts';
import { functionLibrary } from '../../../../src/main/cluster/engine/function-library.ts';
import { RedisEngine } from '../../../../src/main/cluster/engine/redis-engine.ts';
import { openRedisLink } from '../../../../src/main/cluster/engine/redis-link.ts';
import { lookAtEngine } from '../../../../src/main/doctor/engine-look.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { systemRandom } from '../../../../src/shared/random.ts';
import { hasRedis, type RedisServer, startRedis } from '../../../support/redis-server.ts';

const names = clusterNames('test');
const library = functionLibrary([
  {
    source: `
redis.register_function(named('echo'), function(keys, args)
  redis.call('SPUBLISH', keys[1], args[1])
  return { args[1], is_present(args[2]) and 1 or 0, now_ms(), false }
end)`,
  },
]);

function engineAt(url: string, node = 'a'): RedisEngine {
  const engine = new RedisEngine({ url, node, names, library, clock: systemClock, random: systemRandom });
  onTestFinished(() => engine.close());
  return engine;
}

function comesUp(engine: RedisEngine): Promise<void> {
  return new Promise((resolve) => {
    const end = engine.onChange((isUp) => {
      if (!isUp) return;
      end();
      resolve();
    });
  });
}

function goesAway(engine: RedisEngine): Promise<void> {
  return new Promise((resolve) => {
    const end = engine.onChange((isUp) => {
      if (isUp) return;
      end();
      resolve();
    });
  });
}

async function told(redis: RedisServer, ...command: string[]): Promise<unknown> {
  const client = await createClient({ url: redis.url }).connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(20);
}

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0;
  } catch {
    return false;
  }
})();

/** From now on a server speaks TLS at its port, with a certificate that nobody has signed, and asks no client for one. */
async function speakTLS(redis: RedisServer, dir: string): Promise<string> {
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=127.0.0.1',
    '-keyout',
    key,
    '-out',
    certificate,
  ];
  execFileSync('openssl', made, { stdio: 'ignore' });
  const files = ['tls-key-file', key, 'tls-cert-file', certificate, 'tls-ca-cert-file', certificate];
  await told(redis, 'CONFIG', 'SET', ...files, 'tls-auth-clients', 'no', 'port', '0', 'tls-port', String(redis.port));
  return redis.url.replace('redis:', 'rediss:');
}

const echo = (engine: RedisEngine, of: string) =>
  engine.call('echo', [names.key('bus')], ['hello', names.presence(of)]);

describe.skipIf(!hasRedis)('an engine behind the Redis protocol', () => {
  let redis: RedisServer;
  let tmp: string;
  beforeAll(async () => {
    redis = await startRedis();
    tmp = await mkdtemp(join(tmpdir(), 'shards-'));
  });
  afterAll(async () => {
    await redis.stop();
    await rm(tmp, { recursive: true });
  });

  it('calls functions that two nodes load at the same moment, with bytes both ways', async () => {
    const [a, b] = [engineAt(redis.url, 'a'), engineAt(redis.url, 'b')];
    await Promise.all([a.start(), b.start()]);
    const bytes = Buffer.from([0, 255, 10, 13]);
    const [told, isPresent, time, nothing] = (await b.call(
      'echo',
      [names.key('bus')],
      [bytes, names.presence('a')],
    )) as EngineReply[];
    expect({ told, isPresent, nothing }).toEqual({ told: bytes, isPresent: 1, nothing: null });
    expect(time).toBeTypeOf('number');
    expect(a.stats()).toMatchObject({ isUp: true, why: undefined, memoryPolicy: 'noeviction' });
    expect(a.stats().version).toMatch(/^(redis|valkey) \d/);
  });

  it('hears what any node publishes, also on a channel that it listens to later', async () => {
    const [a, b] = [engineAt(redis.url, 'a'), engineAt(redis.url, 'b')];
    await Promise.all([a.start(), b.start()]);
    const heard = new Promise<Buffer>((resolve) => void a.listen(names.key('bus'), resolve));
    // The engine takes commands of one connection in order; the subscription is on another, so the first message may be too early.
    let isHeard = false;
    void heard.then(() => {
      isHeard = true;
    });
    for (let i = 0; i < 100 && !isHeard; i++) await echo(b, 'a');
    expect(String(await heard)).toBe('hello');
  });

  it('sees at once that a node has gone', async () => {
    const [a, b] = [engineAt(redis.url, 'a'), engineAt(redis.url, 'b')];
    await Promise.all([a.start(), b.start()]);
    b.close();
    let isPresent: unknown = 1;
    for (let i = 0; i < 200 && isPresent === 1; i++) [, isPresent] = (await echo(a, 'b')) as unknown[];
    expect(isPresent).toBe(0);
  });

  it('is present by its connection for commands, which keep-alive can end while messages are on their way', async () => {
    await using own = await startRedis();
    const engine = engineAt(own.url);
    engine.listen(names.key('bus'), () => {});
    await engine.start();
    await echo(engine, 'a');
    const clients = String(await told(own, 'CLIENT', 'LIST')).split('\n');
    expect(clients.find((client) => client.includes(' cmd=fcall '))).toMatch(/ ssub=1 /);
    const presence = [names.presence('a')];
    expect(await told(own, 'PUBSUB', 'SHARDNUMSUB', ...presence)).toEqual([...presence, 1]);
  });

  it('takes a password that it does not want', async () => {
    const engine = engineAt(redis.url.replace('//', '//:secret@'));
    await engine.start();
    expect(await echo(engine, 'a')).toHaveLength(4);
  });

  it('is not waited for if the time was over before the client was loaded', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    await expect(openRedisLink(url, AbortSignal.abort(new Error('over')), systemClock)).rejects.toThrow('over');
  });

  it('reports an error reply, and loads functions again that were removed', async () => {
    const engine = engineAt(redis.url);
    await engine.start();
    const lost = goesAway(engine);
    await expect(engine.call('none', [], [])).rejects.toMatchObject({ code: 'ERR_CLUSTER_REFUSED' });
    await lost;
    await expect(echo(engine, 'a')).rejects.toMatchObject({ code: 'ERR_CLUSTER_AWAY', retryable: true });
    await comesUp(engine);
    await expect(echo(engine, 'a')).resolves.toHaveLength(4);
  });

  it('puts back its library if another has its name', async () => {
    const text = `#!lua name=${library.name}\nredis.register_function('${library.named('probe')}', function() return 1 end)`;
    await told(redis, 'FUNCTION', 'LOAD', 'REPLACE', text);
    const engine = engineAt(redis.url);
    await engine.start();
    await expect(echo(engine, 'a')).resolves.toHaveLength(4);
  });

  it('goes away when the engine is killed, and comes back when it is there again, empty', async () => {
    await using mortal = await startRedis();
    const engine = engineAt(mortal.url);
    await engine.start();
    const lost = goesAway(engine);
    await mortal.kill();
    await lost;
    await expect(echo(engine, 'a')).rejects.toMatchObject({ code: 'ERR_CLUSTER_AWAY' });
    const back = comesUp(engine);
    await mortal.restart();
    await back;
    await expect(echo(engine, 'a')).resolves.toHaveLength(4);
    expect(engine.stats().losses).toBe(1);
  });

  it('goes away when the engine is paused, and no call waits longer than its limit', async () => {
    await using mortal = await startRedis();
    const engine = engineAt(mortal.url);
    await engine.start();
    const lost = goesAway(engine);
    mortal.pause();
    await expect(engine.call('echo', [names.key('bus')], ['x', 'y'], { timeoutMs: 20 })).rejects.toThrow(
      /no answer within 20 ms/,
    );
    await lost;
    expect(engine.stats().why).toBe('silent for 500 ms');
    const back = comesUp(engine);
    mortal.resume();
    await back;
  });

  it('is away while the engine is full', async () => {
    await using small = await startRedis();
    const engine = engineAt(small.url);
    await engine.start();
    const lost = goesAway(engine);
    await told(small, 'CONFIG', 'SET', 'maxmemory', '1');
    await expect(echo(engine, 'a')).rejects.toMatchObject({ code: 'ERR_CLUSTER_REFUSED' });
    await lost;
    expect(engine.stats().why).toMatch(/OOM|memory is full/);
    const back = comesUp(engine);
    await told(small, 'CONFIG', 'SET', 'maxmemory', '0');
    await back;
  });

  it('follows the keys to another shard, also at the start', async () => {
    await using a = await startRedis(['--cluster-enabled', 'yes', '--cluster-config-file', `${tmp}/a.conf`]);
    await using b = await startRedis(['--cluster-enabled', 'yes', '--cluster-config-file', `${tmp}/b.conf`]);
    await told(a, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await told(a, 'CLUSTER', 'MEET', '127.0.0.1', String(b.port));
    await until(async () => String(await told(b, 'CLUSTER', 'INFO')).includes('cluster_slots_ok:16384'));
    await until(async () => String(await told(b, 'CLUSTER', 'INFO')).includes('cluster_state:ok'));
    const engine = engineAt(b.url);
    await engine.start();
    expect(await echo(engine, 'a')).toHaveLength(4);
    expect(await lookAtEngine({ url: b.url, name: 'test' }, library, systemClock)).toMatchObject({
      url: b.url,
      isFit: true,
      hasFunctions: true,
      version: expect.stringMatching(/^(redis|valkey) \d/),
    });
    // A shard that has lost sight of the others takes no calls, and another one may have the keys by now.
    const lost = goesAway(engine);
    await told(a, 'CLUSTER', 'DELSLOTSRANGE', '0', '16383');
    await expect(echo(engine, 'a')).rejects.toMatchObject({ code: 'ERR_CLUSTER_REFUSED' });
    await lost;
  });

  describe('refuses at start', () => {
    it.each([
      ['a wrong password', ['--requirepass', 'secret'], /refuses the name or password/],
      ['a full memory', ['--maxmemory', '1kb', '--maxmemory-policy', 'noeviction'], /its memory is full/],
      ['a replica', ['--replicaof', '127.0.0.1 1'], /is read-only/],
      ...['function', 'fcall', 'time', 'spublish'].map((command): [string, string[], RegExp] => [
        `a user without the right to ${command}`,
        ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', `-${command}`],
        /may not use a command/,
      ]),
    ])('%s', async (_, flags, message) => {
      await using wrong = await startRedis(flags);
      const error = await engineAt(wrong.url)
        .start()
        .catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ code: 'ERR_CLUSTER_REFUSED', message: expect.stringMatching(message) });
      expect((error as Error).message).toContain(`the engine of the cluster at ${wrong.url} cannot be used: `);
    });

    it.skipIf(!hasOpenssl)(
      'a certificate of an unknown authority, and an address without TLS where there is TLS',
      async () => {
        await using closed = await startRedis();
        const url = await speakTLS(closed, tmp);
        await expect(engineAt(url).start()).rejects.toMatchObject({
          code: 'ERR_CLUSTER_AWAY',
          message: expect.stringMatching(/self-signed certificate; .*NODE_EXTRA_CA_CERTS names a file/),
        });
        await expect(engineAt(closed.url).start()).rejects.toMatchObject({
          code: 'ERR_CLUSTER_AWAY',
          message: expect.stringMatching(/; with TLS there, the URL begins with rediss:/),
        });
      },
    );

    it('nobody at the address', async () => {
      const error = await engineAt('redis://user:secret@127.0.0.1:1')
        .start()
        .catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ code: 'ERR_CLUSTER_AWAY', message: expect.stringMatching(/ECONNREFUSED/) });
      expect((error as Error).message).not.toContain('secret');
    });

    it('a web server', async () => {
      const server = createHttpServer().listen(0, '127.0.0.1');
      onTestFinished(() => void server.close());
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await expect(engineAt(`redis://127.0.0.1:${port}`).start()).rejects.toMatchObject({
        code: 'ERR_CLUSTER_AWAY',
        message: expect.stringMatching(/speaks another protocol than Redis/),
      });
    });

    it('a server that says nothing', async () => {
      const sockets: { destroy(): void }[] = [];
      const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
      onTestFinished(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await expect(engineAt(`redis://127.0.0.1:${port}`).start()).rejects.toThrow(/not ready within 1000 ms/);
    });
  });
});
