import { describe, expect, it } from 'vitest';
import { clusterSchema, engineUrlFault, resolveCluster } from '../../../src/main/cluster/cluster-options.ts';

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
  ])('refuses %j', (url, fault) => {
    expect(engineUrlFault(url)).toMatch(fault);
    expect(clusterSchema.safeParse({ url }).success).toBe(false);
  });

  it.each(['', 'a b', '{x}', 'x'.repeat(65)])('refuses the name %j', (name) => {
    expect(clusterSchema.safeParse({ url: 'redis://localhost', name }).success).toBe(false);
  });
});
