import { benchLine, readFlags } from './command-line.ts';
import { type CrowdFigures, DOMAINS, runDomains } from './domains/crowds.ts';
import { runHits } from './domains/hits.ts';
import { rounded } from './figures.ts';

/**
 * Five kinds of agents in one planner before one server of four slots, against the same agents as one kind: calls at work, counted by the
 * server, and how the plans that models decide are shared, both in virtual time; and the speed of cached plans, side by side.
 */
const HELP = `npm run -s bench:domains -- [--agents 250] [--seconds 120] [--seed 1] [--seeds 3] [--rounds 31] [--only crowds,hits]
--quick: one seed of a minute, nine rounds`;
const SECTIONS = ['crowds', 'hits'] as const;

const args = readFlags(HELP, {
  agents: { type: 'string' },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  seeds: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string', default: SECTIONS.join(',') },
  quick: { type: 'boolean', default: false },
});
const line = benchLine(HELP);
const only = line.only(args.only, SECTIONS);
const number = (name: 'agents' | 'seconds' | 'seed' | 'seeds' | 'rounds', usual: number, quick = usual): number =>
  line.positive(name, args[name], args.quick ? quick : usual);

function show(name: string, { decided, goodput, jain, mostAtWork, mostWithGhosts, onTime }: CrowdFigures): void {
  const shares = decided.join(' ');
  console.error(
    `${name}: at work at most ${mostAtWork} (${mostWithGhosts} with calls whose clients had gone), ${rounded(goodput)} plans a second decided by models (${shares}), Jain ${rounded(jain)}, on time ${rounded(onTime)}`,
  );
}

async function crowds(): Promise<Record<string, number>> {
  const seeds = number('seeds', 3, 1);
  const first = number('seed', 1);
  const split: CrowdFigures[] = [];
  const whole: CrowdFigures[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    for (const isSplit of [true, false]) {
      const figures = await runDomains(number('agents', 250), number('seconds', 120, 60), seed, isSplit);
      (isSplit ? split : whole).push(figures);
      show(`seed ${seed}, ${isSplit ? `${DOMAINS.length} domains` : 'one domain'}`, figures);
    }
  }
  const least = (of: (figures: CrowdFigures) => number, all = split) => Math.min(...all.map(of));
  const mean = (all: readonly CrowdFigures[]) => all.reduce((sum, { goodput }) => sum + goodput, 0) / all.length;
  return {
    domainsMostAtWork: Math.max(...split.map(({ mostAtWork }) => mostAtWork)),
    domainsMostWithGhosts: Math.max(...split.map(({ mostWithGhosts }) => mostWithGhosts)),
    oneMostWithGhosts: Math.max(...whole.map(({ mostWithGhosts }) => mostWithGhosts)),
    domainsJain: rounded(least(({ jain }) => jain)),
    oneJain: rounded(least(({ jain }) => jain, whole)),
    domainsDecidedVsOne: rounded(mean(split) / mean(whole)),
    domainsOnTime: rounded(least(({ onTime }) => onTime)),
  };
}

async function hits(): Promise<Record<string, number>> {
  const { hitsPerSecond, hitsPerSecondOfOne, ratio } = await runHits(number('rounds', 31, 9));
  console.error(
    `cached plans a second: ${Math.round(hitsPerSecond)} in ${DOMAINS.length} domains, ${Math.round(hitsPerSecondOfOne)} in one`,
  );
  return { domainsHitVsOne: rounded(ratio) };
}

const results = { ...(only.includes('crowds') ? await crowds() : {}), ...(only.includes('hits') ? await hits() : {}) };
console.log(JSON.stringify({ bench: 'domains', ...results }));
