import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createPlanner,
  defineDomain,
  type EmbeddedPlanner,
  embedPlanner,
  type PlannerOptions,
  type SpawnedPlanner,
  spawnPlanner,
} from '../../src/main/index.ts';
import type { DomainFutures } from '../../src/main/plans/expectations/domain-futures.ts';
import type { Guess } from '../../src/main/plans/expectations/future.ts';
import { loadConfig } from '../../src/main/service/config/config-file.ts';
import { openDomainFutures } from '../../src/main/service/open-domain-futures.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { choosing } from '../support/choosing-server.ts';
import { request, testDomain } from '../support/make-planner.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { type TempFolder, tempFolder } from '../support/trace-files.ts';

const WAIT = { timeout: 15_000, interval: 10 };
const ACTIONS = `export const nextActions = () => ['attack', 'block', 'flee'];`;
const WORLD = `export const next = ({ health }, action) => [{ place: \`after \${action}\`, health }];\n${ACTIONS}`;

let server: ScriptedServer;
let folder: TempFolder;
beforeAll(async () => {
  server = await ScriptedServer.start();
  server.script = choosing(() => '2\nBecause.');
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

function options(module: string | undefined, next = folder.file('world.mjs', module ?? '')): PlannerOptions {
  return {
    domain: defineDomain({ ...testDomain, next }),
    endpoints: { local: { baseURL: server.baseURL, slots: 4 } },
    experts: [{ role: 'one', model: 'm' }],
    answers: 'write',
    workers: { threads: 1 },
  };
}

type AnyPlanner = Pick<EmbeddedPlanner | SpawnedPlanner, 'plan' | 'stats'>;

async function ofDomain(planner: AnyPlanner): Promise<{ told: number; running: number; waiting: number }> {
  const { foresight } = await planner.stats();
  const { told = 0 } = foresight.bySource.find(({ source }) => source === 'domain') ?? {};
  return { told, running: foresight.running, waiting: foresight.waiting };
}

async function expectForeseen(planner: AnyPlanner): Promise<void> {
  const first = await planner.plan(request());
  await vi.waitFor(async () => expect(await ofDomain(planner)).toEqual({ told: 1, running: 0, waiting: 0 }), WAIT);
  const second = await planner.plan(request({ observation: { place: `after ${first.action}`, health: 50 } }));
  expect(second.source).toBe('cache');
  expect((await planner.stats()).foresight).toMatchObject({ used: 1, domain: { invalid: 0, off: null } });
}

describe('the next states of a domain are foreseen', () => {
  test('by a planner in the same thread', async () => {
    await using planner = await createPlanner(options(WORLD));
    await expectForeseen(planner as unknown as AnyPlanner);
  });

  test('by a planner in a thread of its own', async () => {
    await using planner = await embedPlanner(options(WORLD));
    await expectForeseen(planner);
  });

  test('by a planner in a process of its own', async () => {
    await using planner = await spawnPlanner(options(WORLD));
    await expectForeseen(planner);
  });

  test('by a planner of a configuration file, to which the path is relative', async () => {
    folder.file('world.ts', `type State = object;\n${WORLD}`);
    const { domain } = options('', './world.ts');
    folder.file('conclave.config.json', JSON.stringify({ domain }));
    const loaded = await loadConfig(folder.path);
    expect(loaded?.config.domain?.next).toBe(join(folder.path, 'world.ts'));
    await using planner = await createPlanner({ ...options(WORLD), ...loaded?.config });
    await expectForeseen(planner as unknown as AnyPlanner);
  });
});

/** What becomes of the states that a module computes, without a planner. */
async function watched(module: string): Promise<{ futures: DomainFutures; taken: Guess[]; warnings: string[] }> {
  const { domain } = options(module);
  const futures = await openDomainFutures({ domain: defineDomain(domain), startTimeoutMs: 15_000 }, systemClock);
  const taken: Guess[] = [];
  const warnings: string[] = [];
  if (futures === undefined) return expect.unreachable();
  futures.host = { take: (guesses) => void taken.push(...guesses), warn: (message) => void warnings.push(message) };
  return { futures, taken, warnings };
}

test('the module has no environment', async () => {
  const place = `String(Object.keys(process.env).length)`;
  const { futures, taken } = await watched(`export const next = () => [{ place: ${place}, health: 1 }];\n${ACTIONS}`);
  futures.decided(request(), 'block');
  await vi.waitFor(() => expect(taken).toMatchObject([{ source: 'domain', observation: { place: '0' } }]), WAIT);
  await futures.close();
});

test('of too many next states the first eight are taken', async () => {
  const many = `export const next = () => Array.from({ length: 10 }, (_, i) => ({ place: String(i), health: 1 }));\n${ACTIONS}`;
  const { futures, taken } = await watched(many);
  futures.decided(request(), 'block');
  await vi.waitFor(() => expect(taken).toHaveLength(8), WAIT);
  expect(futures.stats()).toMatchObject({ calls: 1, dropped: 2 });
  await futures.close();
});

describe('a domain is switched off with a warning', () => {
  test.each([
    [
      'throws',
      `export const next = () => { throw new Error('no such cell'); };\n${ACTIONS}`,
      'it failed: no such cell',
    ],
    [
      'returns no list',
      `export const next = () => ({});\n${ACTIONS}`,
      'it failed: next must return a list of observations',
    ],
    ['returns what cannot be copied', `export const next = () => [() => {}];\n${ACTIONS}`, 'it failed: '],
    ['never returns', `export const next = () => { for (;;); };\n${ACTIONS}`, 'a call took more than 1000 ms'],
  ])('if it %s', async (_, module, reason) => {
    const { futures, warnings } = await watched(module);
    futures.decided(request(), 'block');
    await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining(reason)]), WAIT);
    expect(futures.stats()).toMatchObject({ calls: 1, off: expect.stringContaining(reason) });
  });

  test('if three calls are slow', async () => {
    const slow = `export const next = () => { const end = performance.now() + 6; while (performance.now() < end); return []; };`;
    const { futures } = await watched(`${slow}\n${ACTIONS}`);
    for (let call = 1; call <= 3; call++) {
      futures.decided(request(), 'block');
      await vi.waitFor(() => expect(futures.stats()).toMatchObject({ slow: call }), WAIT);
    }
    expect(futures.stats()).toMatchObject({ off: '3 of its latest calls took more than 5 ms each' });
  });
});

test.each([
  ['a file that is not there', () => './nowhere.mjs', 'there is no file'],
  ['a folder', () => folder.path, 'there is no file'],
  ['a module that is broken', () => folder.file('w.mjs', 'export const next = ;'), 'Unexpected token'],
  ['one without next', () => folder.file('w.mjs', ACTIONS), 'its export next is nothing'],
  [
    'one without nextActions',
    () => folder.file('w.mjs', 'export function next() {}'),
    'its export nextActions is nothing',
  ],
])('%s is an error at start', async (_, next, what) => {
  await expect(createPlanner(options(undefined, next()))).rejects.toMatchObject({
    code: 'ERR_DOMAIN_INVALID',
    message: expect.stringMatching(new RegExp(`^domain.next must be .*, got ".*${what}`)),
  });
});
