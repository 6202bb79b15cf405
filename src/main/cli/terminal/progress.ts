import cliProgress from 'cli-progress';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { isFromTier, type PlanSource } from '../../../shared/decision.ts';
import type { Plan } from '../../plans/plan.ts';
import { countRecords } from '../../session/trace-reader.ts';
import { type CliContext, note } from '../cli-context.ts';
import { count, rate } from './text.ts';

/** Shows the progress of a session on stderr: a bar on a terminal, a line every few seconds elsewhere, nothing if silent. */
interface Progress extends Disposable {
  onPlan(plan: Plan): void;
}

const BAR_MS = 100;
const LINE_MS = 5_000;

/** `total` is undefined if unknown. */
export function openProgress(context: CliContext, total: number | undefined): Progress {
  const tally = new PlanTally(context.clock);
  const show = context.stderr.isTTY ? barDisplay(context, tally, total) : lineDisplay(context, tally);
  const timer = repeat(context.clock, context.stderr.isTTY ? BAR_MS : LINE_MS, show.update);
  return {
    onPlan: (plan) => tally.add(plan.source),
    [Symbol.dispose]: () => {
      timer.cancel();
      show.end();
    },
  };
}

export const SILENT: Progress = { onPlan: () => {}, [Symbol.dispose]: () => {} };

class PlanTally {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #sources = new Map<PlanSource, number>();
  plans = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAtMs = clock.now();
  }

  add(source: PlanSource): void {
    this.plans++;
    this.#sources.set(source, (this.#sources.get(source) ?? 0) + 1);
  }

  /** Returns, for example, `83 plans/s · hits 61 % · synthesis 33 %, fallback 2 %`. */
  text(): string {
    const seconds = (this.#clock.now() - this.#startedAtMs) / 1_000;
    const all = [...this.#sources];
    const hits = all.reduce((sum, [source, plans]) => sum + (isFromTier(source) ? plans : 0), 0);
    const mix = all
      .filter(([source]) => !isFromTier(source))
      .sort(([, a], [, b]) => b - a)
      .map(([source, plans]) => `${source} ${this.#percent(plans)}`);
    const speed = `${rate(this.plans / Math.max(seconds, 0.001))} plans/s`;
    return [speed, `hits ${this.#percent(hits)}`, mix.join(', ')].filter((part) => part !== '').join(' · ');
  }

  #percent(plans: number): string {
    return `${Math.round((100 * plans) / Math.max(1, this.plans))} %`;
  }
}

interface Display {
  update(): void;
  end(): void;
}

function barDisplay(context: CliContext, tally: PlanTally, total: number | undefined): Display {
  const bar = newBar(context, total === undefined ? '{value} plans · {text}' : '{bar} {value}/{total} · {text}');
  bar.start(total ?? 0, 0, { text: 'starting' });
  return {
    update: () => bar.update(tally.plans, { text: tally.text() }),
    end: () => bar.stop(),
  };
}

function lineDisplay(context: CliContext, tally: PlanTally): Display {
  return { update: () => note(context, `${count(tally.plans, 'plan')} · ${tally.text()}`), end: () => {} };
}

function repeat(clock: Clock, everyMs: number, run: () => void): Timer {
  let timer = clock.setTimer(everyMs, tick);
  function tick(): void {
    run();
    timer = clock.setTimer(everyMs, tick);
  }
  return { cancel: () => timer.cancel() };
}

/** A bar on the terminal that disappears at the end. */
function newBar({ stderr }: CliContext, format: string): cliProgress.SingleBar {
  return new cliProgress.SingleBar(
    {
      format,
      stream: stderr as NodeJS.WriteStream,
      barsize: 20,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
    },
    cliProgress.Presets.shades_classic,
  );
}

/** The number of records of a trace, at most `limit`; undefined if not counted. Only a terminal shows a bar, and only a bar needs the total. */
export async function barTotal(
  { stderr, signal }: CliContext,
  file: string,
  limit: number | undefined,
): Promise<number | undefined> {
  if (!stderr.isTTY) return undefined;
  try {
    const records = await countRecords(file, signal);
    return Math.min(records, limit ?? records);
  } catch {
    // Reading the trace for real will report the fault, with its line.
    return limit;
  }
}

/** Shows the progress of a replay on a terminal, once it has taken a while. */
interface ReplayProgress extends Disposable {
  onRecord(): void;
}

/** Most replays end before anyone would want to see progress. */
const SHOWN_AFTER_MS = 2_000;

/** `total` is undefined if unknown. */
export function openReplayProgress(context: CliContext, total: number | undefined): ReplayProgress {
  const { clock, stderr } = context;
  if (!stderr.isTTY) return { onRecord: () => {}, [Symbol.dispose]: () => {} };
  const startedAtMs = clock.now();
  let records = 0;
  const of = total === undefined ? '{value} decisions' : `{bar} {value}/${count(total)}`;
  const bar = newBar(context, `${of} · {speed}`);
  const speed = (): string => `${rate((1_000 * records) / Math.max(1, clock.now() - startedAtMs))} decisions/s`;
  let timer = clock.setTimer(SHOWN_AFTER_MS, () => {
    bar.start(total ?? 0, records, { speed: speed() });
    update();
  });
  function update(): void {
    bar.update(records, { speed: speed() });
    timer = clock.setTimer(BAR_MS, update);
  }
  return {
    onRecord: () => {
      records++;
    },
    [Symbol.dispose]: () => {
      timer.cancel();
      bar.stop();
    },
  };
}
