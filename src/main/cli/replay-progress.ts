import type { CliContext } from './cli-context.ts';
import { newBar } from './progress-bar.ts';
import { count, rate } from './text.ts';

/** Shows on a terminal how far a replay is, once it has taken a while. */
export interface ReplayProgress extends Disposable {
  onRecord(): void;
}

/** Most replays are over before anyone would want to know. */
export const SHOWN_AFTER_MS = 2_000;
const BAR_MS = 100;

/** `total` is undefined where nobody counted. */
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
