import type { Say } from './rounds.ts';

/** The parts of store.bench.ts. Each is a process of its own, so that memory, threads and compiled code do not mix. */
export const SECTIONS = {
  reads: './sections/reads.ts',
  growth: './sections/growth.ts',
  'growth-of-peers': './sections/growth-of-peers.ts',
  million: './sections/million.ts',
  'two-threads': './sections/two-threads.ts',
  'host-read': './sections/host-read.ts',
  plans: './sections/plans.ts',
  size: './sections/size.ts',
  eviction: './sections/eviction.ts',
  torn: './sections/torn.ts',
} as const;
export type SectionName = keyof typeof SECTIONS;

export interface Settings {
  /** A short run that only shows that everything works. */
  readonly quick: boolean;
  /** Nothing but the result. */
  readonly json: boolean;
  readonly rounds: number;
  readonly tornReads: number;
  /** Files to replay for eviction. */
  readonly traces: readonly string[];
}

export interface SectionOrder {
  readonly name: SectionName;
  readonly settings: Settings;
}

/** Parts of the result. */
export type Figures = Readonly<Record<string, number>>;

export interface Section {
  run(settings: Settings, say: Say): Promise<Figures>;
}

/** Why a section with stores of this size cannot run here, if it cannot. */
export function lackOfMemory(bytes: number): string | undefined {
  const mb = (value: number): string => `${Math.round(value / 1e6)} MB`;
  const available = process.availableMemory();
  if (available < bytes) return `it needs ${mb(bytes)} and ${mb(available)} are available`;
  const { userLimits } = process.report.getReport() as unknown as ProcessReport;
  const limit = userLimits?.virtual_memory_kbytes?.soft;
  // Node reserves far more addresses than it uses, so a limit on them cannot be held against the need.
  if (typeof limit === 'number') return `ulimit -v is set (${mb(limit * 1024)})`;
  return undefined;
}

interface ProcessReport {
  readonly userLimits?: { readonly virtual_memory_kbytes?: { readonly soft: number | 'unlimited' } };
}

if (import.meta.main) {
  process.once('message', async ({ name, settings }: SectionOrder) => {
    const section = (await import(SECTIONS[name])) as Section;
    const say: Say = settings.json ? () => {} : (line) => console.error(line);
    const figures = await section.run(settings, say);
    process.send?.(figures, () => process.exit());
  });
}
