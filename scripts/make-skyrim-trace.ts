import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { skyrim } from '../src/shared/domains/skyrim.ts';
import { checkRequest, type PlanRequest } from '../src/shared/plan-request.ts';
import { forkRandom, pick, type Random } from '../src/shared/random.ts';
import { SIGNATURE_WORDS, Signer, signatureText } from '../src/shared/signature.ts';
import { act } from './skyrim-world/deeds.ts';
import { actionsOf, type Life, newLife, observationOf, PEOPLE } from './skyrim-world/life.ts';
import { Learner } from './skyrim-world/worth.ts';

/**
 * Makes `examples/skyrim.jsonl`: seven agents live for a day in a small Skyrim, and every decision they face becomes a
 * request. The same seed makes the same file.
 *
 *   node scripts/make-skyrim-trace.ts [--seed N] [--out FILE]
 */
export const DEFAULT_SEED = 2;
export const REQUEST_COUNT = 2_600;

/** Share of decisions that are tried at random instead of by value. */
const EPSILON = 0.1;
/** Game hours pass faster than real ones. */
const HOURS_PER_SECOND = 1 / 60;
const FIRST_HOUR = 8;

export interface TraceStep extends PlanRequest {
  /** Seconds since the start. */
  readonly t: number;
  readonly chosen: string;
}

export interface TraceFigures {
  readonly requests: number;
  /** Requests of which the signature occurred before. */
  readonly repeated: number;
  readonly signatures: number;
}

interface Turn {
  readonly life: Life;
  atSeconds: number;
}

function choose(qValues: Readonly<Record<string, number>>, actions: readonly string[], random: Random): string {
  if (random.next() < EPSILON) return pick(random, actions);
  return actions.reduce((best, action) => ((qValues[action] ?? 0) > (qValues[best] ?? 0) ? action : best));
}

function takeTurn(turn: Turn, learner: Learner): TraceStep {
  const { life } = turn;
  const hour = (FIRST_HOUR + turn.atSeconds * HOURS_PER_SECOND) % 24;
  const actions = actionsOf(life, hour);
  const qValues = Object.fromEntries(actions.map((action) => [action, learner.estimate(life, action, hour)]));
  const step: TraceStep = {
    t: Math.round(turn.atSeconds * 10) / 10,
    agent: life.name,
    observation: observationOf(life, hour),
    actions,
    qValues,
    chosen: choose(qValues, actions, life.random),
  };
  learner.learn(life, step.chosen);
  act(life, step.chosen, hour);
  // Fights are quick, walks are long.
  turn.atSeconds += (life.mode === 'combat' ? 1.5 : 3) * (0.6 + 0.8 * life.random.next());
  return step;
}

/** The steps of the trace, in the order of their time. */
export function generateSteps(seed: number): TraceStep[] {
  const learner = new Learner(seed);
  const turns: Turn[] = PEOPLE.map(([name, home, temperament], index) => ({
    life: newLife(name, home, temperament, forkRandom(seed, name)),
    atSeconds: index * 0.4,
  }));
  const steps: TraceStep[] = [];
  while (steps.length < REQUEST_COUNT) {
    const next = turns.reduce((first, turn) => (turn.atSeconds < first.atSeconds ? turn : first));
    steps.push(takeTurn(next, learner));
  }
  return steps;
}

/** The whole file. */
export function generateTrace(seed: number): string {
  const header = {
    trace: 'conclave/1',
    name: 'skyrim',
    source: `scripts/make-skyrim-trace.ts --seed ${seed}: a simulated life of seven agents, no recording of the game`,
    licence: 'MIT',
    domain: { name: skyrim.name, features: skyrim.features },
  };
  return [header, ...generateSteps(seed)].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Throws where a request is not valid in the skyrim domain. */
export function measureTrace(requests: readonly PlanRequest[]): TraceFigures {
  const signer = new Signer(skyrim);
  const seen = new Set<string>();
  let repeated = 0;
  // A line of a trace has more than its request: the time, and what was chosen.
  for (const { agent, observation, actions, qValues } of requests) {
    checkRequest(skyrim, { agent, observation, actions, ...(qValues && { qValues }) });
    const text = signatureText(signer.sign(observation, actions, new Int32Array(SIGNATURE_WORDS)));
    if (seen.has(text)) repeated++;
    seen.add(text);
  }
  return { requests: requests.length, repeated, signatures: seen.size };
}

function main(): void {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, out: { type: 'string' } } });
  const seed = Number(values.seed ?? DEFAULT_SEED);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed must be a whole number, got ${values.seed}`);
  const out = values.out ?? fileURLToPath(new URL('../examples/skyrim.jsonl', import.meta.url));
  const text = generateTrace(seed);
  writeFileSync(out, text);
  const { requests, repeated, signatures } = measureTrace(generateSteps(seed));
  const percent = ((100 * repeated) / requests).toFixed(1);
  console.log(`${out}: ${requests} requests, ${Math.round(text.length / 1_000)} kB`);
  console.log(`${signatures} signatures; ${percent} % of the requests repeat an earlier one`);
}

if (import.meta.main) main();
