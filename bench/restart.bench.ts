import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPlanCache } from '../src/main/cache/open-plan-cache.ts';
import type { PlanCache } from '../src/main/cache/plan-cache.ts';
import { skyrim } from '../src/main/index.ts';
import { PROFILES } from '../src/main/options/profiles.ts';
import { systemClock } from '../src/shared/clock.ts';
import { type Random, systemRandom } from '../src/shared/random.ts';
import { Signer } from '../src/shared/signature.ts';
import { rounded } from './figures.ts';
import { AnsweredStream, Draws, ROUNDS } from './store/answered-stream.ts';
import { decisionOf, randomOrder, States } from './store/states.ts';

/**
 * A restart is warm: one process remembers decisions on disk and ends, another one opens the file and is asked for them
 * in random order. What counts is the share of hits within the first second after the cache began to open.
 *
 * With an error budget, evidence serves. A twin that did not restart is asked the same with the same draws; what counts is how
 * much of what the twin serves is served within the first second.
 */
const ENTRIES_DEFAULT = 100_000;
const WITHIN_MS = 1_000;
/** Lookups between two looks at the clock, and between two turns of the event loop. */
const STEP = 250;

const { values: args, positionals } = parseArgs({
  options: {
    entries: { type: 'string', default: String(ENTRIES_DEFAULT) },
    'error-budget': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
if (args.help) {
  console.log('usage: node scripts/bench.ts restart [--entries N] [--error-budget SHARE]');
  console.log('  --entries       decisions on disk, 100,000 unless given');
  console.log('  --error-budget  compares what is served within this budget with a twin that did not restart');
  process.exit(0);
}
const entries = Number(args.entries);
const errorBudget = args['error-budget'] === undefined ? (false as const) : Number(args['error-budget']);
const [part, path] = positionals;
const PARTS: Readonly<Record<string, (path: string) => Promise<void>>> =
  errorBudget === false ? { fill, restart } : { twin, learn: learnAll, restart: restartWithinBudget };
if (part === undefined || path === undefined) runAll();
else await PARTS[part]?.(path);

function runAll(): void {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-restart-'));
  try {
    for (const name of Object.keys(PARTS)) {
      const own = [fileURLToPath(import.meta.url), name, join(folder, 'decisions'), '--entries', String(entries)];
      if (errorBudget !== false) own.push('--error-budget', String(errorBudget));
      const { status } = spawnSync(process.execPath, [...process.execArgv, ...own], { stdio: 'inherit' });
      if (status !== 0) process.exit(status ?? 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openCache(file: string, random: Random = systemRandom): Promise<PlanCache> {
  const defaults = PROFILES.default.cache;
  if (defaults === false) throw new Error('the default profile has a cache');
  const disk = { path: file, bytesMax: 2 ** 30 };
  const cache = {
    ...defaults,
    entries,
    similar: errorBudget === false ? (false as const) : defaults.similar,
    errorBudget,
    valuesMin: false as const,
    ttl: 'fixed' as const,
    ttlMs: 86_400_000,
    checkShare: 0,
    refreshAhead: false,
    loopGuard: errorBudget !== false,
    disk,
  };
  const opened = await openPlanCache({ cache, domain: skyrim }, systemClock, random, console.error);
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
    if (i % STEP === STEP - 1) await written(cache);
  }
  await cache.close();
  console.error(`restart: ${entries} decisions written`);
}

async function written(cache: PlanCache): Promise<void> {
  while (queuedOn(cache) > 1_000) await turn();
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

// Within an error budget ------------------------------------------------------------------------------------------------

async function learnFrom(file: string, draws: Draws): Promise<PlanCache> {
  const cache = await openCache(file, draws);
  const stream = new AnsweredStream(cache, entries, 1);
  for (let asked = 0; asked < ROUNDS * entries; asked += STEP) {
    for (let i = 0; i < STEP; i++) stream.next();
    await written(cache);
  }
  return cache;
}

async function learnAll(file: string): Promise<void> {
  const cache = await learnFrom(file, new Draws());
  const startedAt = performance.now();
  const longestMs = await longestPause(() => cache.close());
  const tookMs = rounded(performance.now() - startedAt);
  console.error(`restart: written and closed in ${tookMs} ms, ${rounded(longestMs)} ms at most at once`);
}

/** The longest time for which the event loop did not run during some work. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  let isRunning = true;
  let longestMs = 0;
  const ended = work().finally(() => {
    isRunning = false;
  });
  for (let at = performance.now(); isRunning; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    longestMs = Math.max(longestMs, now - at);
    at = now;
  }
  await ended;
  return longestMs;
}

/** What a planner that was not restarted serves: the number of served requests after each step. */
async function twin(file: string): Promise<void> {
  const draws = new Draws();
  const cache = await learnFrom(`${file}-twin`, draws);
  draws.restart();
  const stream = new AnsweredStream(cache, entries, 2);
  const served: number[] = [];
  for (let asked = 0; asked < entries; asked += STEP) {
    for (let i = 0; i < STEP; i++) stream.next();
    served.push(stream.served);
    await written(cache);
  }
  writeFileSync(`${file}-served.json`, JSON.stringify(served));
  await cache.close();
}

async function restartWithinBudget(file: string): Promise<void> {
  const byTwin = JSON.parse(readFileSync(`${file}-served.json`, 'utf8')) as number[];
  const draws = new Draws();
  draws.restart();
  // Before the time starts: what runs is the source, and reading it takes longer than reading the package.
  await import('../src/main/cache/disk/disk-tier.ts');
  const startedAt = performance.now();
  const cpuAtStart = process.cpuUsage();
  let opened: PlanCache | undefined;
  const longestMs = await longestPause(async () => {
    opened = await openCache(file, draws);
  });
  const cache = opened as PlanCache;
  const openMs = performance.now() - startedAt;
  const openCpu = process.cpuUsage(cpuAtStart);
  const stream = new AnsweredStream(cache, entries, 2);
  let inFirst = { requests: 0, served: 0, byTwin: 0 };
  for (const [step, twinServed] of byTwin.entries()) {
    for (let i = 0; i < STEP; i++) stream.next();
    if (performance.now() - startedAt <= WITHIN_MS) {
      inFirst = { requests: (step + 1) * STEP, served: stream.served, byTwin: twinServed };
    }
    await written(cache);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await cache.close();
  const { requests, served, byTwin: twinServed } = inFirst;
  console.log(`opened after ${rounded(openMs)} ms, ${rounded(longestMs)} ms at most at once`);
  console.log(`${requests} requests in the first second: ${served} served, ${twinServed} by the twin`);
  const result = {
    bench: 'restart',
    servedShare: twinServed === 0 ? 0 : rounded(served / twinServed),
    servedWithin1s: served,
    servedByTwin: twinServed,
    requestsWithin1s: requests,
    servedShareOfAll: rounded(stream.served / (byTwin.at(-1) as number)),
    wrongShare: rounded(stream.wrong / stream.served),
    openMs: rounded(openMs),
    openCpuMs: rounded((openCpu.user + openCpu.system) / 1_000),
    openPauseMs: rounded(longestMs),
    errorBudget,
    entries,
  };
  console.log(JSON.stringify(result));
}
