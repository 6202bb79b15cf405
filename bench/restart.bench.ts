import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPlanCache } from '../src/main/cache/open-plan-cache.ts';
import type { PlanCache } from '../src/main/cache/plan-cache.ts';
import { skyrim } from '../src/main/index.ts';
import { PROFILES } from '../src/main/options/profiles.ts';
import { systemClock } from '../src/shared/clock.ts';
import { systemRandom } from '../src/shared/random.ts';
import { Signer } from '../src/shared/signature.ts';
import { rounded } from './figures.ts';
import { decisionOf, randomOrder, States } from './store/states.ts';

/**
 * A restart is warm: one process remembers decisions on disk and ends, another one opens the file and is asked for them
 * in random order. What counts is the share of hits within the first second after the cache began to open.
 */
const ENTRIES_DEFAULT = 100_000;
const WITHIN_MS = 1_000;
/** Lookups between two looks at the clock, and between two turns of the event loop. */
const STEP = 250;

const { values: args, positionals } = parseArgs({
  options: { entries: { type: 'string', default: String(ENTRIES_DEFAULT) }, help: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (args.help) {
  console.log('usage: node scripts/bench.ts restart [--entries N]   decisions on disk, 100,000 unless given');
  process.exit(0);
}
const entries = Number(args.entries);
const [part, path] = positionals;
if (part === undefined || path === undefined) runBoth();
else if (part === 'fill') await fill(path);
else await restart(path);

function runBoth(): void {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-restart-'));
  try {
    for (const name of ['fill', 'restart']) {
      const own = [fileURLToPath(import.meta.url), name, join(folder, 'decisions'), '--entries', String(entries)];
      const { status } = spawnSync(process.execPath, [...process.execArgv, ...own], { stdio: 'inherit' });
      if (status !== 0) process.exit(status ?? 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openCache(file: string): Promise<PlanCache> {
  const defaults = PROFILES.default.cache;
  if (defaults === false) throw new Error('the default profile has a cache');
  const disk = { path: file, bytesMax: 2 ** 30 };
  const cache = {
    ...defaults,
    entries,
    similar: false as const,
    valuesMin: false as const,
    ttl: 'fixed' as const,
    ttlMs: 86_400_000,
    checkShare: 0,
    refreshAhead: false,
    loopGuard: false,
    disk,
  };
  const opened = await openPlanCache({ cache, domain: skyrim }, systemClock, systemRandom, console.error);
  if (opened === undefined) throw new Error('there is no cache');
  return opened;
}

async function fill(file: string): Promise<void> {
  const cache = await openCache(file);
  const signer = new Signer(skyrim);
  const states = new States();
  const words = new Int32Array(4);
  for (let i = 0; i < entries; i++) {
    const request = states.at(i);
    const signature = signer.sign(request.observation, request.actions, words);
    const look = cache.look(request, signature);
    if (look.kind === 'miss')
      cache.learn(request, signature, look, { ...decisionOf(i), decidedAtMs: systemClock.wallNow() });
    // The queue to the disk is bounded: as slow as models are, it never fills; this loop would.
    if (i % STEP === STEP - 1) while (queuedOn(cache) > 1_000) await turn();
  }
  await cache.close();
  console.error(`restart: ${entries} decisions written`);
}

function queuedOn(cache: PlanCache): number {
  const { disk } = cache.stats();
  return disk === false ? 0 : disk.queued;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

async function restart(file: string): Promise<void> {
  const order = randomOrder(entries, entries, 1);
  const signer = new Signer(skyrim);
  const states = new States();
  const words = new Int32Array(4);
  const startedAt = performance.now();
  const cache = await openCache(file);
  const openMs = performance.now() - startedAt;
  let lookups = 0;
  let hits = 0;
  let inFirst = { lookups: 0, hits: 0 };
  while (lookups < entries) {
    for (let i = 0; i < STEP && lookups < entries; i++) {
      const request = states.at(order[lookups++] as number);
      const look = cache.look(request, signer.sign(request.observation, request.actions, words));
      if (look.kind === 'hit' && look.tier === 'exact') hits++;
    }
    if (performance.now() - startedAt <= WITHIN_MS) inFirst = { lookups, hits };
    await new Promise((resolve) => setImmediate(resolve));
  }
  const allMs = performance.now() - startedAt;
  await cache.close();
  console.log(
    `opened after ${rounded(openMs)} ms; ${inFirst.lookups} lookups in the first second, ${inFirst.hits} hits`,
  );
  console.log(`all ${entries} looked up after ${rounded(allMs)} ms: ${hits} hits`);
  const result = {
    bench: 'restart',
    hitsWithin1s: inFirst.lookups === 0 ? 0 : rounded(inFirst.hits / inFirst.lookups),
    hits: rounded(hits / entries),
    openMs: rounded(openMs),
    lookupsWithin1s: inFirst.lookups,
    allMs: rounded(allMs),
    entries,
  };
  console.log(JSON.stringify(result));
}
