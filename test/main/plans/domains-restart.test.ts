import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { drive } from '../../support/drive.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { asked, domainOf, domainsOptions, expertOf, GUARD } from '../../support/make-domains.ts';
import { FakeWallClock } from '../../support/wall-clock.ts';
import { type Folder, makeFolder } from '../cache/disk/support/open-tier.ts';

let folder: Folder;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => folder.remove());

async function open(clock: FakeWallClock, domains = domainsOptions.domains): Promise<ChatPlanner> {
  const models = new FakeModels(clock, ({ role }) => ({
    kind: 'answers',
    action: role === 'scout' ? 'attack' : 'block',
  }));
  const cache = { ...domainsOptions.cache, disk: { path: join(folder.path, 'memory') } };
  const parts = { clock, random: seededRandom(1), pool: models, client: () => models };
  return createPlanner({ ...domainsOptions, domains, cache }, parts);
}

test('after a restart each domain has its own decisions back from the file that they share, and other roles have none', async () => {
  const clock = new FakeWallClock(1_000);
  const first = await open(clock);
  await drive(clock, Promise.all([first.plan(asked('rover')), first.plan(asked('guard'))]));
  await drive(clock, first.close());
  expect(readdirSync(folder.path)).toEqual(
    expect.arrayContaining([
      'memory',
      'memory.guard.evidence.json',
      'memory.rover.evidence.json',
      'memory.latencies.json',
    ]),
  );

  const later = clock.restarted(9_000_000);
  const changed = domainOf('scout', { description: 'Another kind of rover.' });
  const domains = { ...domainsOptions.domains, changed: { domain: changed, experts: [expertOf('scout')] } };
  await using second = await open(later, domains);
  await vi.waitFor(() => expect(second.stats().cache).toMatchObject({ entries: 2 }));
  expect(second.stats().domains?.rover?.cache).toMatchObject({ entries: 1, disk: { state: 'on' } });
  expect(second.peek(asked('rover'))?.action).toBe('attack');
  expect(second.peek(asked('guard'))?.action).toBe('block');
  expect(second.peek(asked('changed'))).toBeUndefined();
  await drive(later, second.close());

  // The same name with a changed prompt, and the same definition under another name.
  const last = later.restarted(19_000_000);
  await using third = await open(last, {
    rover: { domain: changed, experts: [expertOf('scout')] },
    sentinel: { domain: GUARD, experts: [expertOf('sentry')] },
  });
  const plans = await drive(last, Promise.all([third.plan(asked('rover')), third.plan(asked('sentinel'))]));
  expect(plans.map(({ source }) => source)).toEqual(['vote', 'vote']);
});

test('what is known of models is stored although the first domain remembers nothing', async () => {
  const clock = new FakeWallClock(1_000);
  const { rover, guard } = domainsOptions.domains as Record<string, object>;
  const planner = await open(clock, { rover: { ...rover, cache: false }, guard } as never);
  await drive(clock, planner.plan(asked('guard')));
  await drive(clock, planner.close());
  expect(readdirSync(folder.path)).toContain('memory.latencies.json');
});
