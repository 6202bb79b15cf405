import { parseArgs } from 'node:util';
import type { PlannerOptions } from '../src/main/options/planner-options.ts';
import { rounded } from './figures.ts';
import { ABLATIONS } from './session/ablation.ts';
import { type CrowdFigures, runCrowd } from './session/crowd.ts';
import { type ForesightChange, runForesightPairs } from './session/foresight.ts';
import { LAPTOP_SCENARIOS, type LaptopFigures, laptopCapacity, runLaptop } from './session/laptop.ts';
import { MEMORY, type MemoryFigures, runMemoryMean } from './session/memory.ts';
import { type OverloadFigures, runOverload } from './session/overload.ts';
import { fixed, header, percent, row } from './session/rows.ts';
import {
  type ReadAssumptions,
  runSession,
  runSessionMean,
  type SessionFigures,
  type SessionSetting,
} from './session/run-session.ts';
import { BASELINE, LABEL_BIASES, MODELS } from './session/scenario.ts';
import { runServersMean, SERVERS, type ServersFigures } from './session/servers.ts';
import { runToldPairs, TOLD, type ToldChange } from './session/told.ts';

/**
 * The measured session: agents live in a small world and plan on one overloaded machine (bench/session/scenario.ts), in
 * virtual time, with the real planner, cache, ladder and limits. The same seed gives the same figures on any machine. First
 * one agent under each profile, then `default` without each of its parts, then many agents, then more than the machine can do,
 * then a few agents on several servers that are not equal, on a laptop that reads prompts for seconds, and at last on a server that
 * holds one of their models at a time.
 */
const { values: args } = parseArgs({
  options: {
    plans: { type: 'string' },
    seed: { type: 'string', default: '1' },
    /** How many seeds the profiles are averaged over. */
    seeds: { type: 'string' },
    /** Comma-separated: profiles, text, ablation, many, overload, servers, laptop, memory; bias, told and foresight only if named. */
    only: { type: 'string', default: 'profiles,text,ablation,many,overload,servers,laptop,memory' },
    quick: { type: 'boolean', default: false },
  },
});
const plans = Number(args.plans ?? (args.quick ? 600 : 3_000));
const seed = Number(args.seed);
const seeds = Number(args.seeds ?? (args.quick ? 1 : 5));
const sections = new Set(args.only.split(','));
const MANY = [7, 64] as const;
const OVERLOAD_AGENTS = 64;
const OVERLOAD_SECONDS = args.quick ? 600 : 1_800;
/** Plans asked for a second: from what the machine can do to many times that. */
const OFFERED = [1, 1.5, 2, 3, 4, 6, 8] as const;
const CROWD_SECONDS = args.quick ? 100 : 300;
/** A crowd of agents takes turns: what is below this, or above that, fails the bench. */
const CROWD_JAIN_MIN = 0.9;
const CROWD_WITHOUT_MAX = 0.05;
const SERVERS_SECONDS = args.quick ? 60 : 120;
const SERVERS_SEEDS = args.quick ? 2 : 5;
const LAPTOP_SECONDS = args.quick ? 300 : 900;
const LAPTOP_SEEDS = args.quick ? 2 : 5;
const MEMORY_PLANS = 400;
const MEMORY_SEEDS = args.quick ? 2 : 5;
const UNLIMITED_MS = 600_000;
const FORESIGHT_PLANS = args.quick ? 600 : 1_500;
const FORESIGHT_SEEDS = args.quick ? 2 : 8;
/** Of what the gates allow, this share is gained at least, for at most this many calls a plan. */
const GAINED_MIN = 0.8;
const CALLS_MAX = 1.3;
const TOLD_SECONDS = args.quick ? 120 : 240;
const TOLD_SEEDS = args.quick ? 4 : 24;
/** Reads may be worse than is assumed. */
const READ_SKILLS = [0.5, 0] as const;
/** Of plans that are not from the cache, next to those that are written; short sessions consist of trials for the most part. */
const MEAN_UNCACHED_MAX = args.quick ? 0.7 : 0.45;
/** Sessions of few seeds vary by as much. */
const REGRET_MARGIN = 0.015;

/** As the agent was, but with all the time that its models take. */
const UNLIMITED: Partial<PlannerOptions> = {
  profile: 'unoptimized',
  timeoutMs: UNLIMITED_MS,
  expertTimeoutMs: UNLIMITED_MS,
  synthesis: { models: [MODELS[0].id], timeoutMs: UNLIMITED_MS },
};

function named(figures: SessionFigures): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(figures).map(([key, value]) => [key, value === null ? null : Math.round(value * 10_000) / 10_000]),
  );
}

/** The mean of several seeds: whole sessions differ by a few per cent. */
async function measureMean(name: string, more: Partial<SessionSetting>): Promise<SessionFigures> {
  process.stderr.write(`session: ${name}, ${seeds} seeds …`);
  const figures = await runSessionMean({ options: {}, agents: 1, plans, ...more }, seed, seeds);
  process.stderr.write(' done\n');
  return figures;
}

async function measure(
  name: string,
  options: Partial<PlannerOptions>,
  agents = 1,
  of = plans,
  at = seed,
): Promise<SessionFigures> {
  process.stderr.write(`session: ${name} …`);
  const startedAt = performance.now();
  const figures = await runSession({ options, agents, plans: of, seed: at });
  process.stderr.write(` ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`);
  return figures;
}

/** The same for observations without pictures. */
function measureText(
  name: string,
  options: Partial<PlannerOptions>,
  of: ReadAssumptions = {},
): Promise<SessionFigures> {
  return measureMean(`text, ${name}`, { options, isBlind: true, ...of });
}

const text: Record<string, Record<string, number | null>> = {};
const profiles: Record<string, Record<string, number | null>> = {};
const ablation: Record<string, Record<string, number | null>> = {};
const many: Record<string, Record<string, number | null>> = {};
let crowd: CrowdFigures | undefined;
let overload: (OverloadFigures & { readonly peak: number; readonly goodputAt3x: number }) | undefined;
const misses: string[] = [];

if (sections.has('profiles')) {
  header(`One agent, ${plans} plans, mean of ${seeds} seeds`);
  for (const profile of ['unoptimized', 'november', 'default'] as const) {
    const figures = await measureMean(profile, { options: { profile } });
    profiles[profile] = named(figures);
    row(profile, figures);
    if (profile === 'unoptimized') checkBaseline(figures);
  }
  const unlimited = await measureMean('unoptimized, no limits', { options: UNLIMITED });
  profiles.unlimited = named(unlimited);
  row('unoptimized, no limits', unlimited);
}

/** What was recorded, within a tenth of each value. */
function checkBaseline(figures: SessionFigures): void {
  for (const key of ['llmSuccess', 'meanSeconds', 'timeouts'] as const) {
    const off = figures[key] / BASELINE[key] - 1;
    // Short sessions vary by more than what was recorded may.
    if (Math.abs(off) > BASELINE.tolerance * (args.quick ? 2 : 1))
      misses.push(`unoptimized.${key} is ${percent(off)} off what was recorded`);
  }
}

if (sections.has('text')) {
  header(`One agent without pictures, ${plans} plans, mean of ${seeds} seeds`);
  const written = await measureText('write', { answers: 'write' });
  const asked = await measureText('auto', { answers: 'auto' });
  text.write = named(written);
  text.auto = named(asked);
  row('write', written);
  row('auto', asked);
  for (const skill of READ_SKILLS) {
    const figures = await measureText(`auto, reads of skill ${skill}`, { answers: 'auto' }, { readSkill: skill });
    text[`auto, reads of skill ${skill}`] = named(figures);
    row(`auto, skill of reads ${skill}`, figures);
  }
  const ofWriting = (value: number | null, whole: number): string => (value === null ? '–' : fixed(value / whole));
  console.log(
    `not from the cache: mean ${ofWriting(asked.meanUncachedSeconds, written.meanUncachedSeconds)} of writing's · ${percent(asked.readShare)} decided by reading, p99 ${ofWriting(asked.p99ReadSeconds, written.p99UncachedSeconds)} · the others ${ofWriting(asked.p99UnsureSeconds, written.p99UncachedSeconds)} · read tokens ${fixed(asked.readTokensPerPlan / written.readTokensPerPlan)} · requests ${fixed(asked.requestsPerPlan)} · calibration error ${asked.calibrationError?.toFixed(3) ?? '–'}`,
  );
  if (asked.meanUncachedSeconds > MEAN_UNCACHED_MAX * written.meanUncachedSeconds)
    misses.push('text: plans that are read first take too long');
  if (asked.regret > written.regret + REGRET_MARGIN) misses.push('text: plans that are read first are worse');
}

if (sections.has('bias')) {
  for (const reads of ['systemone', 'logprobs'] as const) {
    header(`Reads that prefer some labels, ${reads}, ${plans} plans, ${seeds} seeds`);
    for (const labelBias of LABEL_BIASES) {
      const figures = await measureText(`bias ${labelBias}`, {}, { labelBias, reads });
      text[`${reads}, bias ${labelBias}`] = named(figures);
      row(`bias ${labelBias}`, figures);
    }
  }
}

if (sections.has('ablation')) {
  const of = Math.round(plans / 2);
  header(`default without …, ${of} plans`);
  const whole = await measure('default', {}, 1, of);
  ablation.none = named(whole);
  row('(nothing)', whole);
  for (const { name, options } of ABLATIONS) {
    const figures = await measure(`without ${name}`, options, 1, of);
    ablation[name] = named(figures);
    row(name, figures);
  }
}

if (sections.has('many')) {
  header('default, many agents');
  for (const agents of MANY) {
    const figures = await measure(`${agents} agents`, {}, agents, Math.max(plans, 50 * agents));
    many[agents] = named(figures);
    row(`${agents} agents`, figures);
  }
}

if (sections.has('overload')) {
  console.log(`\n${OVERLOAD_AGENTS} agents without a cache: plans a second`);
  const runs: OverloadFigures[] = [];
  for (const offered of OFFERED) {
    const figures = await runOverload(offered, OVERLOAD_AGENTS, OVERLOAD_SECONDS, seed);
    runs.push(figures);
    const { goodput, onTime, legal, jain } = figures;
    console.log(
      `offered ${fixed(figures.offered).padStart(6)} · decided by models ${fixed(goodput)} · on time ${percent(onTime)} · legal ${percent(legal)} · fairness ${fixed(jain)}`,
    );
  }
  const peak = Math.max(...runs.map(({ goodput }) => goodput));
  const at3x = runs.find(({ offered }) => offered >= 3 * peak) ?? (runs.at(-1) as OverloadFigures);
  overload = { ...at3x, peak, goodputAt3x: at3x.goodput / peak };
  console.log(`at ${fixed(at3x.offered / peak)} times the peak, goodput is ${percent(overload.goodputAt3x)} of it`);
  crowd = await runCrowd(CROWD_SECONDS, seed);
  console.log(
    `1,000 agents that ask every 5 s: offered ${fixed(crowd.offered)} · decided by models ${fixed(crowd.goodput)} · on time ${percent(crowd.onTime)} · fairness ${fixed(crowd.jain)} · agents without a model's decision ${percent(crowd.without)}`,
  );
  if (crowd.jain < CROWD_JAIN_MIN) misses.push(`the fairness of a crowd is ${fixed(crowd.jain)}`);
  if (crowd.without > CROWD_WITHOUT_MAX)
    misses.push(`${percent(crowd.without)} of a crowd never had a model's decision`);
}

const servers: Record<string, ServersFigures> = {};
if (sections.has('servers')) {
  console.log(`\n6 agents without a cache on several servers, ${SERVERS_SECONDS} s, mean of ${SERVERS_SEEDS} seeds`);
  for (const { name, scenario, bounds } of SERVERS) {
    const figures = await runServersMean(scenario, SERVERS_SECONDS, seed, SERVERS_SEEDS);
    servers[name] = figures;
    const whole = servers[bounds?.of ?? name] as ServersFigures;
    const [plansOf, p95Of, p99Of] = (['plans', 'p95Seconds', 'p99Seconds'] as const).map(
      (key) => figures[key] / whole[key],
    ) as [number, number, number];
    const cells = [
      `plans/s ${fixed(figures.plans)} (${fixed(plansOf)})`,
      `p95 ${fixed(figures.p95Seconds)} s (${fixed(p95Of)})`,
      `p99 ${fixed(figures.p99Seconds)} s (${fixed(p99Of)})`,
      `calls/plan ${fixed(figures.callsPerPlan)}`,
      `at the other ${fixed(figures.callsAtOther)}`,
    ];
    console.log(`${name.padEnd(32)}${cells.map((cell) => cell.padEnd(24)).join('')}`);
    if (bounds === undefined) continue;
    if (plansOf < bounds.plansMin) misses.push(`${name}: ${fixed(plansOf)} of the plans of "${bounds.of}"`);
    const { p99Max = Number.POSITIVE_INFINITY } = bounds;
    if (p99Of > p99Max) misses.push(`${name}: its p99 is ${fixed(p99Of)} times that of "${bounds.of}"`);
    if (p95Of > bounds.p95Max) misses.push(`${name}: its p95 is ${fixed(p95Of)} times that of "${bounds.of}"`);
  }
}

const laptop: Record<string, LaptopFigures & { readonly ofCapacity: number }> = {};
if (sections.has('laptop')) {
  console.log(
    `\nA laptop that reads prompts for seconds, without a cache, ${LAPTOP_SECONDS} s, mean of ${LAPTOP_SEEDS} seeds`,
  );
  const each = Array.from({ length: LAPTOP_SEEDS }, (_, nth) => seed + nth);
  for (const { name, scenario, modelDecidedMin = 0, ofCapacityMin = 0 } of LAPTOP_SCENARIOS) {
    const runs: LaptopFigures[] = [];
    const capacities: number[] = [];
    for (const at of each) {
      runs.push(await runLaptop(scenario, LAPTOP_SECONDS, at));
      capacities.push(await laptopCapacity(scenario.agents, 40, at));
    }
    const keys = Object.keys(runs[0] as LaptopFigures) as (keyof LaptopFigures)[];
    const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
    const figures = Object.fromEntries(keys.map((key) => [key, mean(runs.map((run) => run[key]))]));
    const whole = {
      ...(figures as unknown as LaptopFigures),
      ofCapacity: (figures.goodput as number) / mean(capacities),
    };
    laptop[name] = whole;
    console.log(
      `${name.padEnd(32)}decided by models ${percent(whole.modelDecided)} · plans/s ${fixed(whole.goodput)}, of what it can do ${percent(whole.ofCapacity)} · p50 ${fixed(whole.p50Seconds)} s, p95 ${fixed(whole.p95Seconds)} s · calls/plan ${fixed(whole.callsPerPlan)} · on time ${percent(whole.onTime)}`,
    );
    if (whole.modelDecided < modelDecidedMin)
      misses.push(`laptop, ${name}: models decide ${percent(whole.modelDecided)}`);
    if (whole.ofCapacity < ofCapacityMin)
      misses.push(`laptop, ${name}: ${percent(whole.ofCapacity)} of what the machine can do`);
    if (whole.onTime < 1) misses.push(`laptop, ${name}: on time ${percent(whole.onTime)}`);
  }
}

const memory: Record<string, Record<string, number>> = {};
if (sections.has('memory')) {
  console.log(
    `\nExperts on three models, a fallback on a fourth, ${MEMORY_PLANS} plans, mean of ${MEMORY_SEEDS} seeds`,
  );
  const known = new Map<string, MemoryFigures>();
  for (const { name, scenario, bounds } of MEMORY) {
    const figures = await runMemoryMean(scenario, MEMORY_PLANS, seed, MEMORY_SEEDS);
    known.set(name, figures);
    const whole = known.get(
      bounds?.of ?? MEMORY.find(({ scenario: { agents } }) => agents === scenario.agents)?.name ?? name,
    );
    const p95VsAllInMemory = figures.p95Seconds / (whole as MemoryFigures).p95Seconds;
    const { loadsPerPlan, heuristics, byModels } = figures;
    memory[name] = { loadsPerPlan, p95VsAllInMemory, heuristics, byModels };
    const cells = [
      `loads/plan ${loadsPerPlan.toFixed(3)}`,
      `p95 ${fixed(figures.p95Seconds)} s (${fixed(p95VsAllInMemory)})`,
      `heuristics ${fixed(heuristics)}`,
      `by models ${percent(byModels)}`,
    ];
    console.log(`${name.padEnd(32)}${cells.map((cell) => cell.padEnd(24)).join('')}`);
    if (bounds === undefined) continue;
    if (loadsPerPlan > bounds.loadsMax) misses.push(`${name}: ${loadsPerPlan.toFixed(3)} loads a plan`);
    if (p95VsAllInMemory > bounds.p95Max)
      misses.push(`${name}: its p95 is ${fixed(p95VsAllInMemory)} times that of "${bounds.of}"`);
    if (heuristics > 0) misses.push(`${name}: ${fixed(heuristics)} plans without a model`);
  }
}

const told: Record<string, ToldChange> = {};
if (sections.has('told')) {
  console.log(`\nAgents without futures, beside as many whose futures are told or guessed, foresight on by off`);
  for (const { name, ...setting } of TOLD) {
    const change = await runToldPairs(setting, TOLD_SECONDS, seed, TOLD_SEEDS);
    told[name] = change;
    console.log(
      `${name.padEnd(32)}goodput ${fixed(change.goodput)} · p90 ${fixed(change.p90Ms)} (± ${fixed(change.p90Error)}) · ready for those with futures ${percent(change.readyShare)} · calls ${fixed(change.callsPerPlan)}`,
    );
  }
}

let foresight: ForesightChange | undefined;
if (sections.has('foresight')) {
  console.log(
    `\nOne agent that acts for 1 to 4 s, foresight from experience, ${FORESIGHT_PLANS} plans, mean of ${FORESIGHT_SEEDS} seeds`,
  );
  foresight = await runForesightPairs(1, FORESIGHT_PLANS, seed, FORESIGHT_SEEDS);
  const { on, off, gained, regretError } = foresight;
  for (const [name, of] of [
    ['off', off],
    ['on', on],
  ] as const) {
    console.log(
      `${name.padEnd(8)}ready ${percent(of.readyShare)} · hits ${percent(of.hitRate)} · mean ${fixed(of.meanSeconds)} s, p90 ${fixed(of.p90Seconds)} s · calls a plan ${fixed(of.callsPerDecision)} · regret ${of.regret.toFixed(4)}`,
    );
  }
  console.log(
    `the gates allow ${percent(on.allowed)}, gained ${fixed(gained)} of it · regret ${(on.regret - off.regret).toFixed(4)} (± ${regretError.toFixed(4)})`,
  );
  if (gained < GAINED_MIN) misses.push(`foresight: ${fixed(gained)} of what its gates allow`);
  if (on.callsPerDecision > CALLS_MAX) misses.push(`foresight: ${fixed(on.callsPerDecision)} calls a plan`);
}

for (const miss of misses) console.error(`session: ${miss}`);
const all = (figures: object = {}): Record<string, number> =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, rounded(value)]));
const overloaded = { ...all(overload), ...(crowd === undefined ? {} : { crowd: all(crowd) }) };
console.log(
  JSON.stringify({
    bench: 'session',
    seed,
    plans,
    profiles,
    text,
    ablation,
    many,
    overload: overloaded,
    laptop: Object.fromEntries(Object.entries(laptop).map(([name, figures]) => [name, all(figures)])),
    servers: Object.fromEntries(Object.entries(servers).map(([name, figures]) => [name, all(figures)])),
    told: Object.fromEntries(Object.entries(told).map(([name, change]) => [name, all(change)])),
    foresight: { ...all(foresight?.on), off: all(foresight?.off), gained: rounded(foresight?.gained ?? 0) },
    memory: Object.fromEntries(Object.entries(memory).map(([name, figures]) => [name, all(figures)])),
  }),
);
process.exitCode = misses.length > 0 ? 1 : 0;
