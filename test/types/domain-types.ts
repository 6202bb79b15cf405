/*
 * What the compiler says about domains, requests and plans. Nothing here runs: `npm run typecheck` compiles the file, and fails
 * where a good request is refused, or where one that is marked as bad is not.
 */
import {
  type ConnectedPlanner,
  connectPlanner,
  createPlanner,
  type Domain,
  type DomainDefinition,
  defineDomain,
  type EmbeddedPlanner,
  embedPlanner,
  type Observation,
  type ObservationOf,
  openCache,
  type Plan,
  type Planner,
  type PlannerOptions,
  type PlanRequest,
  type RemotePlanner,
  type SharedCache,
  type SpawnedPlanner,
  skyrim,
  spawnPlanner,
} from '../../src/main/index.ts';

/** Compiles only where the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const rover = defineDomain({
  name: 'rover',
  features: {
    terrain: { kind: 'category' },
    mode: { kind: 'category', values: ['drive', 'dig'] },
    battery: { kind: 'number', edges: [20, 50], range: [0, 100] },
    stuck: { kind: 'flag', optional: false },
    tools: { kind: 'set', optional: true },
    camera: { kind: 'text', optional: true },
    picture: { kind: 'image', optional: true },
  },
});
type Rover = typeof rover;
const rest: Omit<PlannerOptions, 'domain'> = { endpoints: {}, experts: [] };
const here: ObservationOf<Rover> = { terrain: 'mud', mode: 'drive', battery: 40, stuck: true };

export function observations(): void {
  const all: ObservationOf<Rover>[] = [
    here,
    { ...here, tools: ['arm'], camera: 'a tunnel', picture: 'data:image/png;base64,AAAA' },
    { ...here, picture: { mediaType: 'image/png', base64: 'AAAA' }, camera: undefined },
    // @ts-expect-error a feature that every request must have is missing
    { terrain: 'mud', mode: 'drive', battery: 40 },
    // @ts-expect-error undefined is not a flag
    { ...here, stuck: undefined },
    // @ts-expect-error `batery` is not a feature
    { ...here, batery: 40 },
    // @ts-expect-error a number is not a text
    { ...here, battery: '40' },
    // @ts-expect-error a flag is not a number
    { ...here, stuck: 1 },
    // @ts-expect-error a set is a list
    { ...here, tools: 'arm' },
    // @ts-expect-error a category is not a number
    { ...here, terrain: 3 },
    // @ts-expect-error `fly` is not one of the values of the category
    { ...here, mode: 'fly' },
    // @ts-expect-error a picture has a media type
    { ...here, picture: { base64: 'AAAA' } },
  ];
  const any: Observation[] = all;
  void any;
}

export async function planned(planner: Planner<Rover>): Promise<void> {
  const plan = await planner.plan({ agent: 'r', observation: here, actions: ['scan', 'return'] });
  same<typeof plan, Plan<'scan' | 'return'>>(true);
  same<typeof plan.action, 'scan' | 'return'>(true);
  // @ts-expect-error no request offered `fly`
  if (plan.action === 'fly') return;
  const now = planner.planNow({ agent: 'r', observation: here, actions: ['scan'], qValues: { scan: 1 } });
  same<Awaited<typeof now>['action'], 'scan'>(true);
  const names: string[] = ['scan', 'return'];
  const { action } = await planner.plan({ agent: 'r', observation: here, actions: names });
  same<typeof action, string>(true);
  const fixed = ['scan', 'return'] as const;
  const byList = await planner.plan({ agent: 'r', observation: here, actions: fixed });
  same<typeof byList.action, 'scan' | 'return'>(true);
  const asked: PlanRequest<Rover, 'dig' | 'wait'> = { agent: 'r', observation: here, actions: ['dig', 'wait'] };
  same<Awaited<ReturnType<typeof planner.plan<'dig' | 'wait'>>>['action'], 'dig' | 'wait'>(true);
  same<(typeof asked)['actions'][number], 'dig' | 'wait'>(true);
  planner.peek({ agent: 'r', observation: here, actions: names });
  // @ts-expect-error the observation is not one of a rover
  planner.peek({ agent: 'r', observation: {}, actions: names });
  planner.expect([{ agent: 'r', observation: here, actions: names, inMs: 100, likelihood: 0.5 }]);
  planner.observe({ agent: 'r', observation: here, actions: names });
  // @ts-expect-error: an observation of another domain
  planner.expect([{ agent: 'r', observation: {}, actions: names }]);
  // @ts-expect-error `batery` is not a feature
  await planner.plan({ agent: 'r', observation: { ...here, batery: 1 }, actions: names });
  // @ts-expect-error `battery` is a number
  planner.planNow({ agent: 'r', observation: { ...here, battery: 'full' }, actions: names });
}

export async function everyWayIn(path: string): Promise<void> {
  await using created = await createPlanner({ ...rest, domain: rover });
  await using embedded = await embedPlanner({ ...rest, domain: rover });
  await using spawned = await spawnPlanner({ ...rest, domain: rover });
  await using connected = await connectPlanner<Rover>(path);
  same<typeof created, Planner<Rover>>(true);
  same<typeof embedded, EmbeddedPlanner<Rover>>(true);
  same<typeof spawned, SpawnedPlanner<Rover>>(true);
  same<typeof connected, ConnectedPlanner<Rover>>(true);
  for (const planner of [created, embedded, spawned, connected]) {
    const { action } = await planner.plan({ agent: 'r', observation: here, actions: ['scan', 'return'] });
    same<typeof action, 'scan' | 'return'>(true);
    // @ts-expect-error `stuck` is missing
    await planner.plan({ agent: 'r', observation: { terrain: 'mud', mode: 'dig', battery: 1 }, actions: ['scan'] });
    // @ts-expect-error `battery` is a number
    await planner.peek({ agent: 'r', observation: { ...here, battery: true }, actions: ['scan'] });
  }
  const cache: SharedCache<Rover> = openCache(new SharedArrayBuffer(8), created.domain);
  // @ts-expect-error `mode` has no such value
  cache.peek({ agent: 'r', observation: { ...here, mode: 'fly' }, actions: ['scan'] });
}

export async function definedInPlace(): Promise<void> {
  const features = { hot: { kind: 'flag' }, near: { kind: 'set', optional: true } } as const;
  await using planner = await createPlanner({ ...rest, domain: { name: 'kettle', features } });
  await using inline = await createPlanner({
    ...rest,
    domain: { name: 'kettle', features: { hot: { kind: 'flag' } } },
  });
  await planner.plan({ agent: 'k', observation: { hot: true, near: ['cup'] }, actions: ['pour'] });
  await inline.plan({ agent: 'k', observation: { hot: true }, actions: ['pour'] });
  // @ts-expect-error `hot` is a flag
  await planner.plan({ agent: 'k', observation: { hot: 'very' }, actions: ['pour'] });
  // @ts-expect-error `cold` is not a feature
  await inline.plan({ agent: 'k', observation: { hot: true, cold: false }, actions: ['pour'] });
}

export async function builtIn(): Promise<void> {
  await using planner = await createPlanner({ ...rest, domain: skyrim });
  const observation = { scene: 'combat', health: 41, inCombat: true } as const;
  const { action } = await planner.plan({ agent: 'l', observation, actions: ['attack', 'block'] });
  same<typeof action, 'attack' | 'block'>(true);
  // @ts-expect-error Skyrim has no scene of that name
  await planner.plan({ agent: 'l', observation: { ...observation, scene: 'space' }, actions: ['attack'] });
}

/** A domain that is only known at run time takes any observation, as before. */
export async function fromFiles(domain: Domain, definition: DomainDefinition, options: PlannerOptions): Promise<void> {
  const anything: Observation = { whatever: 1 };
  for (const planner of [
    await createPlanner({ ...rest, domain }),
    await createPlanner({ ...rest, domain: definition }),
    await createPlanner(options),
    await embedPlanner(options),
    await spawnPlanner(options),
    await connectPlanner('/run/x.sock'),
    // One of several domains, of which one is only known at run time.
    await createPlanner({ ...rest, domain: rover, ...(options as Partial<PlannerOptions>) }),
  ]) {
    const { action } = await planner.plan({ agent: 'a', observation: anything, actions: ['x', 'y'] });
    same<typeof action, 'x' | 'y'>(true);
    // @ts-expect-error no feature has an object of that form
    await planner.plan({ agent: 'a', observation: { whatever: { deep: 1 } }, actions: ['x'] });
  }
  const written: Record<string, { kind: 'flag'; optional: boolean }> = {};
  await using planner = await createPlanner({ ...rest, domain: defineDomain({ name: 'x', features: written }) });
  same<typeof planner, Planner>(true);
  await planner.plan({ agent: 'a', observation: anything, actions: ['x'] });
}

/** What is written for a planner of any domain takes one of a known domain. */
export async function withoutTypes(planner: Planner<Rover>, embedded: EmbeddedPlanner<Rover>): Promise<void> {
  const any: Planner = planner;
  const remote: RemotePlanner = embedded;
  const request: PlanRequest = { agent: 'r', observation: { from: 'a wire' }, actions: ['x'] };
  await any.plan(request);
  await remote.plan(request);
  // @ts-expect-error a request of any domain is not one of a rover
  await planner.plan(request);
  const loose: Domain = rover;
  const typed: PlanRequest = { agent: 'r', observation: here, actions: ['x'] } satisfies PlanRequest<Rover>;
  void [loose, typed];
  planner.on('plan', (plan, { observation }) => void [plan.action, observation]);
}

/** Whether a feature may be left out is not known here: the compiler lets it go, and the planner decides. */
export function optionalAtRunTime(optional: boolean): ObservationOf<Rover | DomainDefinition> {
  const domain = defineDomain({ name: 'x', features: { a: { kind: 'flag', optional }, b: { kind: 'flag' } } });
  const observation: ObservationOf<typeof domain> = { b: true };
  // @ts-expect-error `b` is needed in any case
  const wrong: ObservationOf<typeof domain> = { a: true };
  return { ...observation, ...wrong };
}

const guard = defineDomain({ name: 'guard', features: { gate: { kind: 'category', values: ['open', 'shut'] } } });

export async function plannedBySeveral(): Promise<void> {
  const domains = { rover, guard: { domain: guard, cache: { ttlMs: 1_000 } } };
  const planner = await createPlanner({ domains, endpoints: {}, experts: [] });
  const { action } = await planner.plan({
    domain: 'guard',
    agent: 'g',
    observation: { gate: 'open' },
    actions: ['shut'],
  });
  same<typeof action, 'shut'>(true);
  planner.observe({ domain: 'rover', agent: 'r', observation: here, actions: ['dig'] });
  // @ts-expect-error the observation is that of another domain
  planner.peek({ domain: 'rover', agent: 'g', observation: { gate: 'open' }, actions: ['shut'] });
  // @ts-expect-error there is no such domain
  planner.peek({ domain: 'gard', agent: 'g', observation: { gate: 'open' }, actions: ['shut'] });
  // @ts-expect-error a request names its domain
  await planner.plan({ agent: 'g', observation: { gate: 'open' }, actions: ['shut'] });
  // @ts-expect-error the TTL is a number
  await createPlanner({ domains: { rover: { domain: rover, cache: { ttlMs: '1 s' } } }, endpoints: {} });
}
