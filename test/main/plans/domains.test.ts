import { describe, expect, test } from 'vitest';
import { openCache } from '../../../src/main/cache/shared-cache.ts';
import type { DomainsPlannerOptions } from '../../../src/main/options/planner-options.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { type Domain, defineDomain } from '../../../src/shared/domain.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { drive } from '../../support/drive.ts';
import { FakeModels } from '../../support/fake-models.ts';
import {
  asked,
  type DomainsUnderTest,
  domainOf,
  domainsOptions,
  expertOf,
  GUARD,
  makeDomains,
  ROVER,
} from '../../support/make-domains.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

function plan({ planner, clock }: DomainsUnderTest, given: PlanRequest) {
  return drive(clock, planner.plan(given));
}

describe('a request finds its domain', () => {
  test('by its name: each domain asks its own experts, and plans bear the name', async () => {
    await using under = await makeDomains();
    const rover = await plan(under, asked('rover'));
    const guard = await plan(under, asked('guard'));
    expect([rover.domain, rover.action, guard.domain, guard.action]).toEqual(['rover', 'attack', 'guard', 'block']);
    expect(under.models.calls.map(({ role }) => role)).toEqual(['scout', 'sentry']);
    expect(guard.id).toBe(rover.id + 1);
  });

  test.each([
    [undefined, 'domain must be one of rover, guard, got nothing'],
    ['rovr', 'domain must be one of rover, guard, got "rovr" (did you mean rover?)'],
    [7, 'domain must be one of rover, guard, got 7'],
    ['__proto__', 'domain must be one of rover, guard, got "__proto__"'],
  ])('%s is refused with the key, the rule, the value and the nearest name', async (name, message) => {
    await using under = await makeDomains();
    const bad = asked(name as string);
    const error = expect.objectContaining({ code: 'ERR_REQUEST_INVALID', message });
    await expect(under.planner.plan(bad)).rejects.toEqual(error);
    await expect(under.planner.own(bad)).rejects.toEqual(error);
    expect(() => under.planner.peek(bad)).toThrow(error);
    expect(() => under.planner.observe(bad)).toThrow(error);
    expect(() => under.planner.expect([bad])).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_INVALID', message: `futures[0]: ${message}` }),
    );
    expect(under.planner.stats().plans.invalid).toBe(2);
  });

  test('a request that is none, or whose name cannot be read, is refused as one', async () => {
    await using under = await makeDomains();
    await expect(under.planner.plan(null as never)).rejects.toThrow('request must be an object, got null');
    const trap = Object.defineProperty({}, 'domain', {
      get: () => {
        throw new Error('no');
      },
    });
    await expect(under.planner.plan(trap as never)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  });

  test('with one domain the name is optional, and must be right', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
    const unnamed = await drive(under.clock, under.planner.plan(request()));
    const named = await drive(under.clock, under.planner.plan(request({ domain: 'test' })));
    expect([unnamed.action, named.action, named.source]).toEqual(['block', 'block', 'cache']);
    expect(named).not.toHaveProperty('domain');
    expect(under.planner.stats()).not.toHaveProperty('domains');
    await expect(under.planner.plan(request({ domain: 'tast' }))).rejects.toThrow(
      'domain must be test or absent, got "tast" (did you mean test?)',
    );
  });

  test('one entry of domains is a planner of one domain, under the name given', async () => {
    await using under = await makeDomains({ domains: { rover: domainsOptions.domains.rover } as never });
    expect((await plan(under, asked(undefined))).action).toBe('attack');
    expect((await plan(under, asked('rover'))).source).toBe('cache');
    expect(under.planner.stats()).not.toHaveProperty('domains');
  });
});

test('the domains of a planner can be those of another one', async () => {
  await using under = await makeDomains();
  const { rover, guard } = under.planner.domains as Record<string, Domain>;
  const experts = { rover: [expertOf('scout')], guard: [expertOf('sentry')] };
  const domains = {
    rover: { domain: rover, experts: experts.rover },
    guard: { domain: guard, experts: experts.guard },
  };
  await using other = await makeDomains({ domains: domains as never });
  expect((await plan(other, asked('guard'))).domain).toBe('guard');
  expect(defineDomain(rover as Domain)).not.toHaveProperty('scope');
});

describe('what one domain decided is never served to another', () => {
  test('with equal features, actions and agents', async () => {
    await using under = await makeDomains();
    await plan(under, asked('rover'));
    expect(under.planner.peek(asked('rover'))?.action).toBe('attack');
    expect(under.planner.peek(asked('guard'))).toBeUndefined();
    expect((await plan(under, asked('guard'))).source).not.toBe('cache');
    expect((await plan(under, asked('rover'))).action).toBe('attack');
  });

  test('also of two domains with equal definitions', async () => {
    const domains = { a: ROVER, b: ROVER };
    await using under = await makeDomains({ domains, experts: [expertOf('scout')] });
    await plan(under, asked('a'));
    expect(under.planner.peek(asked('b'))).toBeUndefined();
  });

  test('nor as an answer to a similar state', async () => {
    const cache = { ...domainsOptions.cache, similar: { distanceMax: 1, confirmedMax: 1 }, trust: 'always' } as const;
    await using under = await makeDomains({ cache });
    const near = (domain: string) => asked(domain, { observation: { place: 'cave', health: 10 } });
    await plan(under, asked('rover'));
    expect((await plan(under, near('guard'))).action).toBe('block');
    expect((await plan(under, near('rover'))).source).toBe('similar');
  });

  test('nor to a plan of another domain that asks at the same moment', async () => {
    await using under = await makeDomains({ features: { ...domainsOptions.features }, singleFlight: true });
    const both = Promise.all([under.planner.plan(asked('rover')), under.planner.plan(asked('guard'))]);
    const [rover, guard] = await drive(under.clock, both);
    expect([rover.action, guard.action, guard.coalesced]).toEqual(['attack', 'block', false]);
  });

  test('nor by another thread that reads the memory', async () => {
    await using under = await makeDomains();
    await plan(under, asked('rover'));
    const buffer = under.planner.cacheBuffer as SharedArrayBuffer;
    const cache = openCache(buffer, { domains: { rover: ROVER, guard: GUARD } }, { clock: under.clock });
    expect(cache.peek(asked('rover'))?.action).toBe('attack');
    expect(cache.peek(asked('guard'))).toBeUndefined();
    expect(() => cache.peek(asked(undefined))).toThrow('domain must be one of rover, guard');
    const withOptions = openCache(
      buffer,
      { domains: { rover: { domain: ROVER }, guard: GUARD } },
      { clock: under.clock },
    );
    expect(withOptions.peek(asked('rover'))?.action).toBe('attack');
    // As one domain, it has keys of its own.
    expect(openCache(buffer, ROVER, { clock: under.clock }).peek(asked(undefined))).toBeUndefined();
  });
});

describe('what is each domain’s own', () => {
  test('figures: counts by domain, and of all together', async () => {
    await using under = await makeDomains();
    await plan(under, asked('rover'));
    await plan(under, asked('rover'));
    await plan(under, asked('guard'));
    const { domains, ...all } = under.planner.stats();
    expect(domains?.rover).toMatchObject({ plans: { settled: 2 }, cache: { hits: 1, entries: 1 }, calls: { made: 1 } });
    expect(domains?.guard).toMatchObject({ plans: { settled: 1 }, cache: { hits: 0, entries: 1 }, calls: { made: 1 } });
    expect(all).toMatchObject({
      plans: { settled: 3 },
      sources: { cache: 1, vote: 2 },
      cache: { hits: 1, misses: 2, hitRate: 1 / 3, entries: 2, entriesMax: 2_000 },
      calls: { made: 2, useful: 2, successRate: 1 },
      planningMs: { count: 3 },
      models: [{ model: 'e', made: 2 }],
    });
  });

  test('the time for which decisions are fresh, and whether they are remembered at all', async () => {
    const domains: DomainsPlannerOptions['domains'] = {
      rover: { domain: ROVER, experts: [expertOf('scout')], cache: { ttlMs: 10 } },
      guard: { domain: GUARD, experts: [expertOf('sentry')] },
      ghost: { domain: domainOf('spirit'), experts: [expertOf('spirit')], cache: false },
    };
    await using under = await makeDomains({ domains });
    for (const name of ['rover', 'guard', 'ghost']) await plan(under, asked(name));
    expect(under.planner.peek(asked('ghost'))).toBeUndefined();
    under.clock.advance(20);
    expect(under.planner.peek(asked('rover'))).toBeUndefined();
    expect(under.planner.peek(asked('guard'))?.action).toBe('block');
  });

  test('its agents: a loop of the rover’s agent says nothing about the guard’s of that name', async () => {
    await using under = await makeDomains();
    for (let nth = 0; nth < 4; nth++) await plan(under, asked('rover'));
    await plan(under, asked('guard'));
    const guard = await plan(under, asked('guard'));
    const { domains } = under.planner.stats();
    const loopsOf = (name: string) => Object(domains?.[name]?.cache).loopsBroken;
    expect([guard.source, loopsOf('guard')]).toEqual(['cache', 0]);
    expect(loopsOf('rover')).toBeGreaterThan(0);
  });

  test('its place in the memory: what gives way is the oldest of all, and its own indexes know', async () => {
    await using under = await makeDomains({ cache: { ...domainsOptions.cache, entries: 2 } });
    const at = (domain: string, place: string) => asked(domain, { observation: { place, health: 50 } });
    await plan(under, at('rover', 'a'));
    await plan(under, at('guard', 'a'));
    await plan(under, at('guard', 'b'));
    const { domains, cache } = under.planner.stats();
    expect(under.planner.peek(at('rover', 'a'))).toBeUndefined();
    expect(domains?.rover?.cache).toMatchObject({ entries: 0, evictions: 1 });
    expect(domains?.guard?.cache).toMatchObject({ entries: 2, evictions: 0 });
    expect(cache).toMatchObject({ entries: 2, evictions: 1 });
  });

  test('futures reach the domain that they name, and a clear forgets those of all', async () => {
    await using under = await makeDomains({ features: { ...domainsOptions.features, foresight: true } });
    under.planner.expect([asked('guard')]);
    await drive(under.clock, new Promise<void>((done) => void under.clock.setTimer(20, done)));
    expect(under.models.calls.map(({ role }) => role)).toEqual(['sentry']);
    expect((await plan(under, asked('guard'))).source).toBe('cache');
    under.planner.clearCache();
    expect(under.planner.peek(asked('guard'))).toBeUndefined();
  });
});

describe('options are refused with the key, the rule and the value', () => {
  test.each([
    [{ domain: ROVER }, 'domains must not be given together with domain'],
    [{ domains: {} }, 'domains must name 1 to 32 domains, got 0'],
    [{ domains: { rover: 5, b: GUARD } }, 'domains.rover must be a domain'],
    [
      { domains: { rover: { domain: ROVER, experts: [expertOf('sentry')] }, b: GUARD } },
      'domains.rover.experts[0].role must be one of scout, got "sentry"',
    ],
    [
      { domains: { rover: { domain: ROVER, cache: { entries: 5 } }, b: GUARD } },
      'domains.rover.cache.entries is not a known option',
    ],
    [
      { domains: { rover: { ...ROVER, features: {}, scope: undefined } as never, b: GUARD } },
      'domains.rover: domain.features must name at least one feature',
    ],
    [
      { experts: [expertOf('sentry')], domains: { a: GUARD, b: ROVER } },
      'experts[0].role must be one of scout of test, got "sentry"',
    ],
  ])('%#', async (options, message) => {
    await expect(makeDomains(options as never)).rejects.toThrow(message);
  });
});

const AGENTS = 4;
const ROUNDS = 8;
/** All agents ask for twice as much as four slots can do. */
const MODEL_MS = 1_000;
const EVERY_MS = 2_500;

describe('five domains before one server of four slots', () => {
  test('never have more calls at work than slots, and take turns whichever domain they belong to', async () => {
    const clock = new VirtualClock(1_000);
    const models = new FakeModels(clock, () => ({ kind: 'answers', action: 'block', afterMs: MODEL_MS }));
    let atWork = 0;
    let mostAtWork = 0;
    const pool: typeof models = Object.assign(Object.create(models), {
      run: async (...call: Parameters<FakeModels['run']>) => {
        mostAtWork = Math.max(mostAtWork, ++atWork);
        return models.run(...call).finally(() => atWork--);
      },
      stats: () => models.stats(),
      close: () => models.close(),
    });
    const names = ['a', 'b', 'c', 'd', 'e'];
    const domains = Object.fromEntries(names.map((name) => [name, ROVER]));
    const opening = createPlanner(
      {
        domains,
        endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
        experts: [expertOf('scout')],
        cache: false,
      },
      { clock, random: seededRandom(1), pool, client: () => models },
    );
    const planner = await runVirtual(clock, opening);
    const decided = names.map(() => 0);
    const tally = (domain: number) => (decided[domain] = (decided[domain] as number) + 1);
    const random = seededRandom(2);
    const pause = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
    // Agents of equal names in two domains are two agents.
    const live = async (domain: number, agent: number): Promise<void> => {
      const open: Promise<void>[] = [];
      await pause(random.next() * EVERY_MS);
      for (let round = 0; round < ROUNDS; round++) {
        const given = asked(names[domain], { agent: `agent ${agent}`, observation: { place: `${agent}`, health: 50 } });
        const plan = planner.plan(given as never, { timeoutMs: 3_000 });
        open.push(plan.then(({ source }) => void (source === 'vote' && tally(domain))));
        await pause(EVERY_MS);
      }
      await Promise.all(open);
    };
    const all = names.flatMap((_, domain) => Array.from({ length: AGENTS }, (__, agent) => live(domain, agent)));
    await runVirtual(clock, Promise.all(all));
    await runVirtual(clock, planner.close());
    const sum = decided.reduce((total, each) => total + each, 0);
    const squares = decided.reduce((total, each) => total + each * each, 0);
    expect(mostAtWork).toBe(4);
    expect(sum).toBeGreaterThan(50);
    expect((sum * sum) / (decided.length * squares)).toBeGreaterThanOrEqual(0.95);
  });
});
