import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { hasRedis, startRedis } from '../support/redis-server.ts';
import { addressOf, ServeProcess } from '../support/serve-process.ts';
import { type TempFolder, tempFolder } from '../support/trace-files.ts';

/** `conclave serve --cluster` as a process: what it says, and what it does not. */
vi.setConfig({ testTimeout: 90_000 });

const PASSWORD = 'topsecret';
let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

describe.skipIf(!hasRedis)('a node as a process', () => {
  test('says that it has joined, and shows its password nowhere', async () => {
    const user = ['--user', 'default', 'off', '--user', 'bob', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];
    await using redis = await startRedis(user);
    const url = `redis://bob:${PASSWORD}@127.0.0.1:${redis.port}`;
    folder.file('conclave.config.json', JSON.stringify({ cluster: { url, name: 'game' } }));
    using node = new ServeProcess(['serve', '--http', '0', '--json'], { cwd: folder.path });
    const address = addressOf(await node.ready(), 'http');
    const pages = ['/readyz', '/metrics', '/v1/stats', '/', '/openapi.json'];
    const shown = await Promise.all(pages.map(async (path) => (await fetch(`${address}${path}`)).text()));
    expect(JSON.parse(shown[0] as string)).toMatchObject({ cluster: { engine: 'joined' } });
    expect(await node.line('stderr', 'Joined')).toMatch(
      /^Joined cluster game through (?:redis|valkey) [\d.]+ at redis:\/\/\[hidden\]@127\.0\.0\.1:\d+$/,
    );
    await redis.kill();
    await node.line('stderr', 'this node goes on alone');
    node.kill('SIGTERM');
    expect(await node.ended).toBe(0);
    for (const text of [...shown, node.stdout, node.stderr]) expect(text).not.toContain(PASSWORD);
  });

  test.each([
    [`redis://bob:${PASSWORD}/x@127.0.0.1:1`, 2],
    [`bob:${PASSWORD}@127.0.0.1:1`, 2],
    [`redis://bob:${PASSWORD}@127.0.0.1:1`, 1],
  ])('that cannot join at %s ends with a next step, and without the password', async (url, code) => {
    using node = new ServeProcess(['serve', '--http', '0', '--cluster', url], { cwd: folder.path });
    expect(await node.ended).toBe(code);
    expect(node.stderr).toMatch(
      code === 2 ? /must be a URL such as redis:/ : /ERR_CLUSTER_AWAY\)\nnext: run "conclave doctor/,
    );
    expect(node.stderr).toContain('[hidden]@127.0.0.1:1');
    expect(node.stderr).not.toContain(PASSWORD);
  });
});
