import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveHttpOptions } from '../../../src/main/faces/http/http-options.ts';
import { type HttpFace, openHttpFace } from '../../../src/main/faces/http/open-http-face.ts';
import { openSocketFace, type SocketFace } from '../../../src/main/faces/socket/socket-face.ts';
import { connectPlanner } from '../../../src/main/index.ts';
import { drive } from '../../support/drive.ts';
import { asked, type DomainsUnderTest, makeDomains } from '../../support/make-domains.ts';
import { makeLog, makeSocketFolder, type SocketFolder } from '../../support/make-socket-face.ts';
import { silentLog } from '../../support/open-face.ts';

let under: DomainsUnderTest;
beforeEach(async () => {
  under = await makeDomains();
});
afterEach(() => under.planner.close());

describe('over HTTP', () => {
  let face: HttpFace;
  const call = (path: string, body?: unknown) =>
    fetch(`${face.address}${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json' },
    });
  beforeEach(async () => {
    face = await openHttpFace(under.planner, { port: 0 }, { clock: under.clock, log: silentLog, version: '1' });
  });
  afterEach(() => face.close());

  test('plans, observations and expectations name their domain', async () => {
    const plan = await drive(
      under.clock,
      call('/v1/plans', asked('guard')).then((answer) => answer.json()),
    );
    expect(plan).toMatchObject({ domain: 'guard', action: 'block' });
    expect((await call('/v1/observations', asked('rover'))).status).toBe(204);
    expect((await call('/v1/expectations', { futures: [asked('rover')] })).status).toBe(204);
  });

  test('a request without its domain is a problem that names the key, the rule and the value', async () => {
    const answer = await call('/v1/plans', asked(undefined));
    const problem = expect.objectContaining({ detail: 'domain must be one of rover, guard, got nothing' });
    expect([answer.status, await answer.json()]).toEqual([400, problem]);
  });

  test('figures and metrics are told by domain, and what is shared once', async () => {
    await drive(under.clock, Promise.all([under.planner.plan(asked('rover')), under.planner.plan(asked('guard'))]));
    const stats = await (await call('/v1/stats')).json();
    expect(stats).toMatchObject({ plans: { settled: 2 }, domains: { rover: { plans: { settled: 1 } }, guard: {} } });
    const text = await (await call('/metrics')).text();
    expect(text).toContain('conclave_plans_total{domain="rover",source="vote"} 1');
    expect(text).toContain(
      'conclave_calls_total{domain="guard",endpoint="fake",model="e",step="expert",outcome="useful"} 1',
    );
    expect(text).toContain('conclave_plan_duration_seconds_count{domain="guard",source="vote"} 1');
    expect(text).toContain('conclave_cache_entries{domain="rover"} 1');
    expect(text).toMatch(/^conclave_worker_threads 0$/m);
    expect(text).toMatch(/^conclave_cache_entries_limit 2000$/m);
  });

  test('the document has the bodies of all domains', async () => {
    const document = Object(await (await call('/openapi.json')).json());
    const { schema } = document.paths['/v1/plans'].post.requestBody.content['application/json'];
    const names = schema.anyOf.map(({ properties }: { properties: object }) =>
      JSON.stringify(Object(properties).domain),
    );
    expect(names).toEqual([expect.stringContaining('"rover"'), expect.stringContaining('"guard"')]);
  });

  test('the document has the figures by domain, and where in the cluster a plan was decided', async () => {
    const { paths } = Object(await (await call('/openapi.json')).json());
    const schemaOf = (path: string, method: string) =>
      paths[path][method].responses[200].content['application/json'].schema;
    const { properties } = schemaOf('/v1/stats', 'get').properties.domains.additionalProperties;
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(['plans', 'cache', 'landing']));
    expect(properties).not.toHaveProperty('endpoints');
    expect(schemaOf('/v1/plans', 'post').properties).toHaveProperty('node');
  });

  test('the default size of bodies is that of the domain with images', () => {
    expect(resolveHttpOptions({ port: 0 }, under.planner.domain).bodyBytesMax).toBeLessThan(3_000_000);
  });
});

describe('over a socket', () => {
  let folder: SocketFolder;
  let face: SocketFace;
  let path: string;
  beforeEach(async () => {
    folder = makeSocketFolder();
    path = join(folder.path, 'plan.sock');
    face = await openSocketFace(under.planner, { path }, { clock: under.clock, log: makeLog().log, version: '1' });
  });
  afterEach(async () => {
    await face.close();
    folder[Symbol.dispose]();
  });

  test('the client learns the names of the domains, and names one in each call', async () => {
    await using client = await connectPlanner(path);
    expect(client.server).toMatchObject({ domain: 'rover', domains: ['rover', 'guard'] });
    const plan = await drive(under.clock, client.plan(asked('guard')));
    expect(plan).toMatchObject({ domain: 'guard', action: 'block' });
    await client.observe(asked('guard'));
    await client.expect([asked('rover')]);
    expect(await client.peek(asked('guard'))).toMatchObject({ action: 'block' });
    expect(await client.peek(asked('rover'))).toBeUndefined();
    await expect(client.plan(asked('gard'))).rejects.toMatchObject({
      code: 'ERR_REQUEST_INVALID',
      message: 'domain must be one of rover, guard, got "gard" (did you mean guard?)',
    });
    expect((await client.stats()).domains?.guard?.plans.settled).toBe(1);
  });
});
