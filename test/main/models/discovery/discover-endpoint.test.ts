import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  busySlots,
  discoverEndpoint,
  type JsonReader,
} from '../../../../src/main/models/discovery/discover-endpoint.ts';
import { NO_FACTS } from '../../../../src/main/models/discovery/endpoint-facts.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { ModelClient } from '../../../../src/shared/model-client/model-client.ts';
import { NO_RATES, type SimulatorOptions } from '../../../../src/workers/simulator/options.ts';
import { startSimulator } from '../../../../src/workers/simulator/start.ts';
import { json, type Script, ScriptedServer } from '../../../support/scripted-server.ts';
import { LLAMA, LLAMA_ROUTER, OLLAMA, type RecordedPages, STUDIO, STUDIO_OLD, VLLM } from './recorded-pages.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that has these pages and no others. */
function reader(pages: RecordedPages): JsonReader {
  return {
    getJson: async (path) => {
      if (!Object.hasOwn(pages, path)) throw new PlannerError('ERR_MODEL_STATUS', `404 ${path}`);
      return pages[path];
    },
  };
}

function discovered(pages: RecordedPages) {
  return discoverEndpoint(reader(pages), 1_000);
}

/** The pages with one of them replaced. */
function withPage(pages: RecordedPages, path: string, page: unknown): RecordedPages {
  return { ...pages, [path]: page };
}

describe('of llama.cpp', () => {
  const id = '/models/qwen3-4b-q4_k_m.gguf';

  test('the slots are known, that they tell their work and may be named, and what its model takes', async () => {
    expect(await discovered(LLAMA)).toEqual({
      kind: 'llamacpp',
      slots: 4,
      models: [{ id, loaded: true, vision: true, parallel: 4, contextLength: 4_096 }],
      sharesPrefixes: false,
      tellsSlots: true,
    });
    expect(await busySlots(reader(LLAMA), 1_000)).toBe(2);
  });

  test('slots that it does not show, or shows as earlier versions did, are not told', async () => {
    for (const page of [{ error: { code: 501, message: 'not supported' } }, [{ id: 0, state: 1 }], [], null]) {
      const pages = withPage(LLAMA, '/slots', page);
      expect(await discovered(pages)).toMatchObject({ slots: 4, tellsSlots: false });
      expect(await busySlots(reader(pages), 1_000)).toBeUndefined();
    }
  });

  test('the model is named by its alias or its path where it is not listed', async () => {
    const unlisted = withPage(LLAMA, '/v1/models', undefined);
    expect((await discovered(unlisted)).models[0]?.id).toBe(id);
    const props = { ...(LLAMA['/props'] as object), model_alias: 'qwen' };
    expect((await discovered(withPage(unlisted, '/props', props))).models[0]?.id).toBe('qwen');
  });

  test('a router tells which models are loaded, and no slots', async () => {
    expect(await discovered(LLAMA_ROUTER)).toEqual({
      kind: 'llamacpp',
      models: [
        { id: 'ggml-org/gemma-3-4b-it-GGUF:Q4_K_M', loaded: true },
        { id: 'qwen3-4b', loaded: false },
      ],
      sharesPrefixes: false,
      tellsSlots: false,
    });
  });

  test('its list alone says what it is', async () => {
    expect(await discovered({ '/v1/models': LLAMA['/v1/models'] })).toMatchObject({
      kind: 'llamacpp',
      models: [{ id }],
    });
  });
});

describe('of LM Studio', () => {
  test('the models that chat are known, their instances under names of their own, and the most calls one takes', async () => {
    const facts = await discovered(STUDIO);
    expect(facts).toMatchObject({ kind: 'lmstudio', slots: 4, tellsSlots: false });
    expect(facts.sharesPrefixes).toBeUndefined();
    expect(facts.models).toEqual([
      { id: 'google/gemma-3-4b', loaded: true, vision: true, parallel: 2, contextLength: 8_192 },
      { id: 'microsoft/phi-4-mini-reasoning', loaded: true, vision: false, parallel: 1, contextLength: 16_384 },
      { id: 'phi-fast', loaded: true, vision: false, parallel: 4, contextLength: 4_096 },
      { id: 'qwen/qwen3-4b', loaded: false, contextLength: 40_960 },
      { id: 'just-loaded' },
    ]);
  });

  test('before version 0.4 the slots are not told', async () => {
    const facts = await discovered(STUDIO_OLD);
    expect(facts.kind).toBe('lmstudio');
    expect(Object.keys(facts)).not.toContain('slots');
    expect(facts.models).toEqual([
      { id: 'qwen2-vl-7b-instruct', loaded: false, vision: true, contextLength: 32_768 },
      { id: 'meta-llama-3.1-8b-instruct', loaded: true, vision: false, contextLength: 4_096 },
    ]);
  });

  test('no models at all are none, not another server', async () => {
    const none = { '/api/v1/models': { models: [] }, '/v1/models': { object: 'list', data: [] } };
    expect(await discovered(none)).toEqual({ ...NO_FACTS, kind: 'lmstudio' });
  });
});

describe('of Ollama', () => {
  test('it is known what is in memory and what sees, but no slots', async () => {
    expect(await discovered(OLLAMA)).toEqual({
      ...NO_FACTS,
      kind: 'ollama',
      models: [
        { id: 'gemma3:latest', loaded: true, vision: true, contextLength: 4_096 },
        { id: 'llava:7b', loaded: false, vision: true },
      ],
    });
  });

  test('without models, or without a list of what runs, the rest is absent', async () => {
    const empty = { '/v1/models': { object: 'list', data: null }, '/api/tags': { models: null } };
    expect(await discovered(empty)).toEqual({ ...NO_FACTS, kind: 'ollama' });
    const { models } = await discovered(withPage(OLLAMA, '/api/ps', undefined));
    expect(models.map(({ loaded }) => loaded)).toEqual([undefined, undefined]);
  });
});

describe('of vLLM', () => {
  test('its model is known with its context, and that it reuses prefixes', async () => {
    expect(await discovered(VLLM)).toEqual({
      ...NO_FACTS,
      kind: 'vllm',
      models: [{ id: 'meta-llama/Meta-Llama-3-8B-Instruct', contextLength: 8_192 }],
      sharesPrefixes: true,
    });
  });
});

describe('of any other server', () => {
  test('only the models that it lists are known', async () => {
    expect(await discovered({ '/v1/models': { data: [{ id: 'm', owned_by: 'me' }] } })).toEqual({
      ...NO_FACTS,
      models: [{ id: 'm' }],
    });
  });

  test('one that lists its models under the paths of LM Studio, as it lists all, is not taken for it', async () => {
    const list = { object: 'list', data: [{ id: 'm' }] };
    expect(await discovered({ '/v1/models': list, '/api/v1/models': list, '/api/v0/models': list })).toEqual({
      ...NO_FACTS,
      models: [{ id: 'm' }],
    });
  });

  test('a reader that fails with anything teaches nothing', async () => {
    const broken: JsonReader = { getJson: () => Promise.reject(new Error('a bug')) };
    expect(await discoverEndpoint(broken, 10)).toEqual(NO_FACTS);
    expect(await busySlots(broken, 10)).toBeUndefined();
  });
});

describe('pages of wrong shapes', () => {
  test.each<readonly [string, RecordedPages]>([
    ['llama.cpp', LLAMA],
    ['LM Studio', STUDIO],
    ['an old LM Studio', STUDIO_OLD],
    ['Ollama', OLLAMA],
    ['vLLM', VLLM],
  ])('of %s, with any member replaced by anything, teach less and never throw', async (_, pages) => {
    await fc.assert(
      fc.asyncProperty(fc.anything({ maxDepth: 2 }), fc.nat(), async (garbage, at) => {
        const facts = await discovered(spoilt(pages, at, garbage));
        for (const { id, contextLength = 1, parallel = 1, loaded = true, vision = true } of facts.models) {
          expect(id).not.toBe('');
          expect([typeof id, typeof loaded, typeof vision]).toEqual(['string', 'boolean', 'boolean']);
          expect(Number.isInteger(contextLength) && Number.isInteger(parallel)).toBe(true);
        }
        expect(Number.isInteger(facts.slots ?? 1) && (facts.slots ?? 1) > 0).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('numbers that cannot be are absent', async () => {
    for (const total_slots of [0, -4, 2.5, '4', null, 1e12]) {
      const props = { ...(LLAMA['/props'] as object), total_slots };
      const facts = await discovered(withPage(LLAMA, '/props', props));
      expect(Object.keys(facts), String(total_slots)).not.toContain('slots');
      expect(facts).toMatchObject({ kind: 'llamacpp' });
    }
  });

  test('a list of very many is read as far as 1,000', async () => {
    const data = Array.from({ length: 5_000 }, (_, index) => ({ id: `m${index}` }));
    expect((await discovered({ '/v1/models': { data } })).models).toHaveLength(1_000);
  });
});

/** The pages with the `at`-th of all their values replaced. */
function spoilt(pages: RecordedPages, at: number, garbage: unknown): RecordedPages {
  const copy = structuredClone(pages) as Record<string, unknown>;
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (holder: Record<string, unknown>): void => {
    for (const [key, value] of Object.entries(holder)) {
      places.push({ holder, key });
      if (value !== null && typeof value === 'object') walk(value as Record<string, unknown>);
    }
  };
  walk(copy);
  const place = places[at % places.length];
  if (place) place.holder[place.key] = garbage;
  return copy;
}

describe('over a network', () => {
  async function facts(script: Script, timeoutMs = 5_000, signal?: AbortSignal) {
    const server = await ScriptedServer.start();
    server.script = script;
    const client = new ModelClient({ name: 'x', baseURL: server.baseURL }, systemClock, 8);
    cleanups.push(
      () => server[Symbol.asyncDispose](),
      () => client.close(),
    );
    return discoverEndpoint(client, timeoutMs, signal);
  }

  test.each<readonly [string, Script]>([
    ['HTML', ({ response }) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Hello</html>')],
    ['200 with an error to every path', ({ response }) => json(response, 200, { error: 'Unexpected endpoint' })],
    ['404', ({ response }) => response.writeHead(404).end('404 page not found')],
    ['503 while loading', ({ response }) => json(response, 503, { error: { message: 'Loading model', code: 503 } })],
    ['resets', ({ socket }) => socket.resetAndDestroy()],
    ['no HTTP', ({ socket }) => socket.end('hello\r\n\r\n')],
    ['JSON that is cut', ({ response }) => response.writeHead(200).end('{"data":[{"id":"m"}')],
  ])('a server that answers %s teaches nothing', async (_, script) => {
    expect(await facts(script)).toEqual(NO_FACTS);
  });

  test('a page without end is cut at its bound, and its connection closed', async () => {
    const chunk = Buffer.alloc(1_000_000, ' ');
    let closed = 0;
    const flood: Script = ({ response }) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      response.on('close', () => closed++);
      response.writeHead(200, { 'content-type': 'application/json' });
      more();
    };
    expect(await facts(flood, 60_000)).toEqual(NO_FACTS);
    for (let turn = 0; turn < 2_000 && closed < 7; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(7);
  });

  test('silence lasts as long as the timeout, and costs only the pages that are silent', async () => {
    const silent = new Set(['/slots', '/api/tags']);
    const script: Script = ({ url, response }) => {
      if (silent.has(url)) return;
      const page = LLAMA[url];
      if (page === undefined) response.writeHead(404).end();
      else json(response, 200, page);
    };
    const startedAt = performance.now();
    expect(await facts(script, 200)).toMatchObject({ kind: 'llamacpp', slots: 4, tellsSlots: false });
    expect(performance.now() - startedAt).toBeGreaterThan(190);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('the signal ends it at once', async () => {
    const controller = new AbortController();
    const asked = facts(() => controller.abort(), 60_000, controller.signal);
    expect(await asked).toEqual(NO_FACTS);
  });
});

describe('of the simulated server', () => {
  async function simulated(options: SimulatorOptions) {
    const simulator = await startSimulator({ rates: NO_RATES, ...options });
    const client = new ModelClient({ name: 'sim', baseURL: simulator.baseURL }, systemClock, 8);
    cleanups.push(
      () => simulator.close(),
      () => client.close(),
    );
    return client;
  }

  const models = [{ id: 'one', vision: true, contextTokens: 2_048 }, { id: 'two' }];
  const QUESTION = { messages: [{ role: 'user' as const, content: 'Hello?' }], maxTokens: 5, temperature: 0 };

  test('as llama.cpp: its slots, its model, and how many slots are at work', async () => {
    const client = await simulated({ flavour: 'llamacpp', models, slots: 3 });
    expect(await discoverEndpoint(client, 5_000)).toEqual({
      kind: 'llamacpp',
      slots: 3,
      models: [{ id: 'one', loaded: true, vision: true, parallel: 3, contextLength: 2_048 }],
      sharesPrefixes: false,
      tellsSlots: true,
    });
    expect(await busySlots(client, 5_000)).toBe(0);
    const controller = new AbortController();
    const calls = [1, 2].map(() => client.chat({ model: 'one', ...QUESTION, timeoutMs: 60_000 }, controller.signal));
    let busy: number | undefined = 0;
    for (let tries = 0; tries < 200 && busy !== 2; tries++) busy = await busySlots(client, 5_000);
    expect(busy).toBe(2);
    controller.abort();
    await Promise.all(calls);
  });

  test('as LM Studio: its slots, and which models are loaded', async () => {
    const client = await simulated({ models, slots: 3, loadedModelsMax: 1, speed: 10_000 });
    const loadedOf = async () => {
      const facts = await discoverEndpoint(client, 5_000);
      expect(facts).toMatchObject({ kind: 'lmstudio', slots: 3, tellsSlots: false });
      return facts.models.map(({ id, loaded, vision }) => [id, loaded, vision]);
    };
    expect(await loadedOf()).toEqual([
      ['one', true, true],
      ['two', false, false],
    ]);
    await client.chat({ model: 'two', ...QUESTION, timeoutMs: 10_000 });
    expect(await loadedOf()).toEqual([
      ['one', false, true],
      ['two', true, false],
    ]);
    expect(await busySlots(client, 5_000)).toBeUndefined();
  });

  test('as llama.cpp while it loads: nothing but its name', async () => {
    const client = await simulated({ flavour: 'llamacpp', models, preload: false });
    expect(await discoverEndpoint(client, 5_000)).toMatchObject({ kind: 'llamacpp', models: [{ id: 'one' }] });
  });
});
