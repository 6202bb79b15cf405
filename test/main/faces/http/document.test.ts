import { createRequire } from 'node:module';
// For what it adds to the types of fastify.
import type {} from '@fastify/swagger';
import { describe, expect, test } from 'vitest';
import { resolveHttpOptions } from '../../../../src/main/faces/http/http-options.ts';
import { makeApp } from '../../../../src/main/faces/http/make-app.ts';
import { addRoutes } from '../../../../src/main/faces/http/routes/routes.ts';
import { jsonSchema } from '../../../../src/main/faces/http/schemas/json-schema.ts';
import { examplePlan, planBody } from '../../../../src/main/faces/http/schemas/plan-schema.ts';
import { Connections } from '../../../../src/main/faces/http/wire/connections.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { checkRequest, type PlanRequest } from '../../../../src/shared/plan-request.ts';
import { drive } from '../../../support/drive.ts';
import { makePlanner, request } from '../../../support/make-planner.ts';
import { type FaceUnderTest, openFace, silentLog } from '../../../support/open-face.ts';

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly requestBody?: { readonly content: Record<string, { schema: Json; example?: unknown }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
  readonly security?: readonly unknown[];
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly security?: readonly unknown[];
  readonly components?: { readonly securitySchemes?: Json };
}

/** Another validator than the one that routes are compiled with: of JSON Schema 2020-12, as OpenAPI 3.1 has it. */
const require = createRequire(import.meta.url);
const { default: Ajv2020 } = createRequire(require.resolve('@fastify/ajv-compiler'))('ajv/dist/2020') as {
  default: new (
    options: object,
  ) => {
    compile(schema: object): ((data: unknown) => boolean) & { errors?: unknown };
    validateSchema(schema: object): boolean;
  };
};
const ajv = new Ajv2020({ strict: false });

async function documentOf(at: FaceUnderTest, headers = {}): Promise<Document> {
  return (await (await at.call('/openapi.json', { headers })).json()) as Document;
}

function operationsOf({ paths }: Document): [string, string, Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [path, method, operation]),
  );
}

function operationOf({ paths }: Document, path: string, method: string): Operation {
  const operation = paths[path]?.[method];
  if (operation === undefined) throw new Error(`there is no ${method} ${path}`);
  return operation;
}

describe('/openapi.json', () => {
  test('is OpenAPI 3.1 in structure: operations with unique ids, responses with descriptions, valid schemas', async () => {
    await using at = await openFace();
    const document = await documentOf(at);
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'Conclave', version: '1.2.3' });
    const operations = operationsOf(document);
    const ids = operations.map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, method, { operationId, summary, requestBody, responses }] of operations) {
      expect(path).toMatch(/^\//);
      expect(['get', 'put', 'post', 'delete', 'patch', 'options', 'head']).toContain(method);
      expect(operationId, path).toMatch(/^\w+$/);
      expect(summary, path).toMatch(/\S/);
      expect(Object.keys(responses).length).toBeGreaterThan(0);
      for (const [status, { description, content }] of Object.entries(responses)) {
        expect(status, path).toMatch(/^([1-5]\d\d|[1-5]XX|default)$/);
        expect(description).toMatch(/\S/);
        for (const { schema } of Object.values(content ?? {})) expect(ajv.validateSchema(schema)).toBe(true);
      }
      for (const { schema } of Object.values(requestBody?.content ?? {})) expect(ajv.validateSchema(schema)).toBe(true);
    }
  });

  test('has every route but the files of the page, and no other', async () => {
    await using under = await makePlanner(() => ({ kind: 'times-out' }));
    const { planner, clock } = under;
    const options = resolveHttpOptions({ port: 0 }, planner.domain);
    const app = makeApp(options, silentLog, systemClock);
    const routes: string[] = [];
    app.addHook('onRoute', ({ method, url, schema }) => {
      // What it shows of a wildcard is a name.
      const path = url.replace(/\*$/, '{id}');
      if (schema?.hide !== true) for (const each of [method].flat()) routes.push(`${each} ${path}`);
    });
    const connections = new Connections(app.server, options.slowClientMs);
    const draining = new AbortController().signal;
    await addRoutes(app, { planner, clock, log: silentLog, version: '1.2.3', options, connections, draining });
    await app.ready();
    const document = app.swagger() as unknown as Document;
    const shown = operationsOf(document).map(([path, method]) => `${method.toUpperCase()} ${path}`);
    expect(shown).toEqual(
      expect.arrayContaining(['POST /v1/plans', 'GET /v1/stats', 'DELETE /v1/cache', 'GET /metrics']),
    );
    expect(shown.sort()).toEqual(routes.filter((route) => !route.startsWith('HEAD ')).sort());
    await app.close();
  });

  test('its examples are what the routes take', async () => {
    await using at = await openFace();
    const { requestBody } = operationOf(await documentOf(at), '/v1/plans', 'post');
    const { schema = {}, example } = requestBody?.content['application/json'] ?? {};
    expect(ajv.compile(schema)(example)).toBe(true);
    const response = await drive(at.clock, at.post(example));
    expect(response.status).toBe(200);
  });

  test('answers are what it says', async () => {
    await using at = await openFace();
    const document = await documentOf(at);
    const answers: [string, string, Response][] = [
      ['/v1/plans', 'post', await drive(at.clock, at.post(request()))],
      ['/v1/plans', 'post', await at.post(request({ agent: 'other' }))],
      ['/v1/plans', 'post', await at.post(request({ actions: [] }))],
      ['/v1/stats', 'get', await at.call('/v1/stats')],
      ['/healthz', 'get', await at.call('/healthz')],
      ['/readyz', 'get', await at.call('/readyz')],
    ];
    await at.planner.close();
    answers.push(['/readyz', 'get', await at.call('/readyz')]);
    for (const [path, method, response] of answers) {
      const { responses } = operationOf(document, path, method);
      const type = (response.headers.get('content-type') as string).split(';', 1)[0] as string;
      const told = responses[response.status] ?? responses[`${Math.floor(response.status / 100)}XX`];
      const validate = ajv.compile(told?.content?.[type]?.schema as Json);
      expect(validate(await response.json()), `${path} ${response.status} ${JSON.stringify(validate.errors)}`).toBe(
        true,
      );
    }
  });

  test('a token is told where one is asked for', async () => {
    await using open = await openFace();
    expect((await documentOf(open)).security).toBeUndefined();
    await using at = await openFace({ http: { token: 'secret' } });
    const document = await documentOf(at, { authorization: 'Bearer secret' });
    expect(document.components?.securitySchemes).toEqual({ bearer: { type: 'http', scheme: 'bearer' } });
    expect(document.security).toEqual([{ bearer: [] }]);
    expect(document.paths['/healthz']?.get?.security).toEqual([]);
  });
});

describe('the schema of plans', () => {
  const everything = defineDomain({
    name: 'everything',
    features: {
      scene: { kind: 'category', values: ['cave', 'hill "x"'] },
      place: { kind: 'category', optional: true },
      health: { kind: 'number', edges: [30], range: [0, 100] },
      alert: { kind: 'flag' },
      items: { kind: 'set', optional: true },
      note: { kind: 'text', optional: true },
      view: { kind: 'image', optional: true },
    },
  });
  const good = { agent: 'a', observation: { scene: 'cave', health: 1, alert: true }, actions: ['x', 'y'] };
  const seen = (more: Json): Json => ({ ...good, observation: { ...good.observation, ...more } });
  const png = 'data:image/png;base64,iVBORw0KGgo=';

  const BODIES: readonly [string, unknown][] = [
    ['good', good],
    ['an example', examplePlan({ all: everything })],
    ['no agent', { ...good, agent: undefined }],
    ['an empty agent', { ...good, agent: '' }],
    ['an agent at its bound', { ...good, agent: 'a'.repeat(256) }],
    ['an agent over it', { ...good, agent: 'a'.repeat(257) }],
    ['an agent of null', { ...good, agent: null }],
    ['no actions', { ...good, actions: [] }],
    ['an action twice', { ...good, actions: ['x', 'x'] }],
    ['a blank action', { ...good, actions: ['x', ' \u3000\ufeff'] }],
    ['an action of a number', { ...good, actions: ['x', 1] }],
    ['an action at its bound', { ...good, actions: ['x'.repeat(1_000)] }],
    ['an action over it', { ...good, actions: ['x'.repeat(1_001)] }],
    ['actions that are no list', { ...good, actions: { 0: 'x' } }],
    ['values', { ...good, qValues: { x: 1, z: -2.5, constructor: 3 } }],
    ['values that are no numbers', { ...good, qValues: { x: '1' } }],
    ['values of null', { ...good, qValues: null }],
    ['values in a list', { ...good, qValues: [1] }],
    ['an unknown member', { ...good, colour: 1 }],
    ['a value that is not allowed', seen({ scene: 'sea' })],
    ['a value that must be escaped', seen({ scene: 'hill "x"' })],
    ['a feature of null', seen({ alert: null })],
    ['an optional feature of null', seen({ place: null })],
    ['an unknown feature', seen({ colour: 'red' })],
    ['an inherited name as a feature', seen({ toString: 'x' })],
    ['a feature that is missing', { ...good, observation: { scene: 'cave', health: 1 } }],
    ['an observation in a list', { ...good, observation: [] }],
    ['a flag of a number', seen({ alert: 1 })],
    ['a number of a text', seen({ health: '1' })],
    ['a set', seen({ items: ['a', 'a', ''] })],
    ['a set at its bound', seen({ items: Array.from({ length: 1_000 }, String) })],
    ['a set over it', seen({ items: Array.from({ length: 1_001 }, String) })],
    ['a set of numbers', seen({ items: [1] })],
    ['a text at its bound', seen({ note: 'x'.repeat(100_000) })],
    ['a text over it', seen({ note: 'x'.repeat(100_001) })],
    ['an image', seen({ view: png })],
    ['an image in another case', seen({ view: png.replace('data:image', 'DATA:Image') })],
    ['an image with its type', seen({ view: { mediaType: 'image/png', base64: 'iVBO' } })],
    ['an image with more', seen({ view: { mediaType: 'image/png', base64: 'iVBO', width: 1 } })],
    ['an image that is a page', seen({ view: 'https://example.org/a.png' })],
    ['an image of no image type', seen({ view: { mediaType: 'text/png', base64: 'iVBO' } })],
    ['an image that is not base64', seen({ view: { mediaType: 'image/png', base64: '!' } })],
    ['an image without its bytes', seen({ view: { mediaType: 'image/png' } })],
    ['an image of null', seen({ view: null })],
    ['null', null],
    ['a list', []],
    ['a text', 'x'],
  ];

  test.each(BODIES)('and the planner agree on %s', (_, body) => {
    const wire = body === undefined ? undefined : JSON.parse(JSON.stringify(body));
    const validate = ajv.compile(jsonSchema(planBody({ all: everything })));
    const { timeoutMs: _ms, priority: _p, ...asked } = (wire ?? {}) as Json;
    let isTaken = wire !== null && typeof wire === 'object' && !Array.isArray(wire);
    try {
      checkRequest(everything, asked as unknown as PlanRequest);
    } catch {
      isTaken = false;
    }
    expect(validate(wire)).toBe(isTaken);
  });

  test('and the planner agree on bodies that are changed in one place, thousands of them', () => {
    const validate = ajv.compile(jsonSchema(planBody({ skyrim })));
    const values: unknown[] = [
      null,
      true,
      0,
      -1,
      1e308,
      '',
      ' ',
      'x',
      'combat',
      [],
      ['x'],
      ['x', 'x'],
      [1],
      {},
      { x: 1 },
      png,
    ];
    const paths = [
      ['agent'],
      ['actions'],
      ['actions', 0],
      ['qValues'],
      ['qValues', 'flee'],
      ['observation'],
      ['more'],
      ...[...Object.keys(skyrim.features), 'more'].map((name) => ['observation', name]),
    ];
    let taken = 0;
    for (const path of paths) {
      for (const value of [...values, undefined]) {
        const body = {
          agent: 'lydia',
          observation: { scene: 'combat', health: 10, inCombat: true, enemiesNearby: 1, location: 'cell' },
          actions: ['flee', 'fight'],
          qValues: { flee: 1 },
        };
        set(body, path, value);
        const wire = JSON.parse(JSON.stringify(body));
        let isTaken = true;
        try {
          checkRequest(skyrim, wire);
        } catch {
          isTaken = false;
        }
        expect(validate(wire), `${path.join('.')} = ${JSON.stringify(value)}`).toBe(isTaken);
        if (isTaken) taken++;
      }
    }
    expect(taken).toBeGreaterThan(20);
  });
});

function set(body: object, path: readonly (string | number)[], value: unknown): void {
  const last = path.at(-1) as string;
  const holder = path.slice(0, -1).reduce<unknown>((at, key) => (at as Json)[key], body) as Json;
  holder[last] = value;
}
