import { parseArgs } from 'node:util';
import { hasRedis } from '../test/support/redis-server.ts';
import { underFaults } from './cluster/faults.ts';
import { type HitFigures, hitsAgainstAlone } from './cluster/hits.ts';
import { equalRequests, fairness, kills, operations, sharing } from './cluster/sections.ts';
import { rounded } from './figures.ts';

/**
 * Several nodes, each a process of its own, before one model server of four slots, with a real engine between them. What is at work
 * is counted by the server, which takes whatever it is given.
 */
const { values: args } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    /** Number of faults. */
    faults: { type: 'string', default: '1000' },
    /** Comma-separated: faults, equal, share, hits, fairness, kills, operations. */
    only: { type: 'string', default: 'equal,share,hits,fairness,kills,operations,faults' },
    quick: { type: 'boolean', default: false },
  },
});
if (!hasRedis) {
  console.error('cluster: this bench needs redis-server 7 (Debian: apt-get install redis-server)');
  process.exit(2);
}
/** Decisions that other nodes write in a second while hits are measured. */
const WRITES = 1_000;
const seed = Number(args.seed);
const wanted = new Set(args.only.split(','));
const faultCount = args.quick ? 20 : Number(args.faults);
const tell = (line: string): void => console.error(line);

async function section<T>(name: string, run: () => Promise<T>): Promise<T | undefined> {
  if (!wanted.has(name)) return undefined;
  tell(`cluster: ${name} …`);
  const result = await run();
  console.log(name, result);
  return result;
}

const equal = await section('equal', () => equalRequests(seed));
const share = await section('share', () => sharing(seed, args.quick ? 50 : 500));
const hits = await section('hits', async () => {
  const openings = args.quick ? 2 : 10;
  return {
    full: await hitsAgainstAlone('full', WRITES, openings),
    filling: await hitsAgainstAlone('filling', WRITES, openings),
  };
});
const lessOf = (of: (figures: HitFigures) => number): number | undefined =>
  hits && Math.min(of(hits.full), of(hits.filling));
const fair = await section('fairness', () => fairness(seed, args.quick ? 5 : 30));
const killed = await section('kills', () => kills(seed));
const cost = await section('operations', () => operations(seed, args.quick ? 5 : 30));
const faults = await section('faults', () => underFaults(seed, faultCount, tell));

const shown = (value: number | undefined): number | null => (value === undefined ? null : rounded(value));
console.log(
  JSON.stringify({
    bench: 'cluster',
    mostAtWork: shown(faults?.mostAtWork),
    panelsForEqual: shown(equal?.panels),
    shareP99Ms: shown(share?.p99Ms),
    hitVsAlone: shown(lessOf(({ ratio }) => ratio)),
    hitVsAloneAtWork: shown(lessOf(({ ratioAtWork }) => ratioAtWork)),
    hitWrites: shown(lessOf(({ writesPerSecond }) => writesPerSecond)),
    lateOnKill: shown(killed?.late),
    recoveryMs: shown(killed?.recoveryMs),
    leaseBackMs: shown(killed?.leaseBackMs),
    operationsPerPlan: shown(cost?.perPlan),
    operationsWithInner: shown(cost?.withInner),
    slotsJain: shown(fair?.jain),
    lentMs: shown(fair?.lentMs),
    mostWithoutEngine: shown(faults?.mostWithoutEngine),
    timesOver: shown(faults?.timesOver),
    illegal: shown(faults?.illegal),
    late: shown(faults?.late),
    failed: shown(faults?.failed),
  }),
);
process.exit(0);
