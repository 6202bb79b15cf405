import { describe, expect, it } from 'vitest';
import { Cluster } from '../../../src/main/cluster/cluster.ts';
import { clusterSchema, engineUrlFault, resolveCluster } from '../../../src/main/cluster/cluster-options.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the options of a cluster', () => {
  it.each([
    'redis://localhost',
    'redis://:secret@10.0.0.1:6379/2',
    'rediss://user:secret@cache.example:6380',
    'redis://[::1]:7',
  ])('takes %s', (url) => {
    expect(engineUrlFault(url)).toBeUndefined();
    expect(resolveCluster(clusterSchema.parse({ url }))).toEqual({ url, name: 'default' });
  });

  it.each([
    ['http://localhost:6379', /must be a URL such as redis:/],
    ['localhost:6379', /must be a URL such as redis:/],
    ['redis:', /must be a URL such as redis:/],
    ['', /must be a URL such as redis:/],
    ['redis://localhost/games', /must have no path/],
    ['redis://user:100%@localhost', /is written %25/],
    ['redis://name@localhost', /must have name:password before/],
    ['redis://name:@localhost', /must have name:password before/],
    ['redis://localhost:6379?db=2', /nothing after the number/],
    ['redis://localhost/2#x', /nothing after the number/],
  ])('refuses %j', (url, fault) => {
    expect(engineUrlFault(url)).toMatch(fault);
    expect(clusterSchema.safeParse({ url }).success).toBe(false);
  });

  it('two databases of an engine have no channel in common', () => {
    const [none, second] = ['', '/2'].map((path) => {
      return new Cluster({ url: `redis://localhost${path}`, name: 'game' }, new FakeClock(), seededRandom(1)).names;
    });
    expect([none?.key('x'), none?.presence('n')]).toEqual(['{conclave:game}:x', '{conclave:game}:node:n']);
    expect([second?.key('x'), second?.presence('n')]).toEqual(['{conclave:game/2}:x', '{conclave:game/2}:node:n']);
  });

  it.each(['', 'a b', '{x}', 'x'.repeat(65)])('refuses the name %j', (name) => {
    expect(clusterSchema.safeParse({ url: 'redis://localhost', name }).success).toBe(false);
  });
});
