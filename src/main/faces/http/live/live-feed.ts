import { Readable } from 'node:stream';
import type { Clock } from '../../../../shared/clock.ts';
import { PlannerError } from '../../../../shared/errors.ts';
import type { Moment, Monitor, MonitorSample } from '../../../monitor/monitor.ts';
import { falseHitRate } from '../../../monitor/sample.ts';
import { seriesOf } from '../../../monitor/series.ts';

/** Facts that a page gets in addition to the figures. */
interface LiveAbout {
  readonly version: string;
  readonly domain: string;
  readonly samplesMax: number;
}

/** Maximum number of pages. One more replaces a page that does not read, else the one that has been open longest. */
const CLIENTS_MAX = 64;
/** How long a page cannot be replaced; if all are newer than this, one more is refused. A replaced page reconnects by itself. */
const PLACE_MS = 10_000;
/** Bytes of a stream that are held until the client reads on. */
const BUFFER_BYTES = 64 * 1_024;

/**
 * A monitor as server-sent events: `snapshot` with everything, then `sample` each second. Common data is serialized once for all clients. A client
 * that does not read gets nothing until it does, and then a new snapshot: it holds at most one snapshot and BUFFER_BYTES.
 */
export class LiveFeed {
  readonly #monitor: Monitor;
  readonly #about: LiveAbout;
  readonly #clock: Clock;
  /** The one that has been open longest comes first. */
  readonly #streams = new Set<LiveStream>();
  #isClosed = false;

  constructor(monitor: Monitor, about: LiveAbout, clock: Clock) {
    this.#monitor = monitor;
    this.#about = about;
    this.#clock = clock;
    monitor.on('sample', this.#onSample);
  }

  /** Opens a stream. Throws ERR_CLIENT_LIMIT, or ERR_PLANNER_CLOSED. */
  open(): Readable {
    if (this.#isClosed) throw new PlannerError('ERR_PLANNER_CLOSED', 'the server is closing');
    if (this.#streams.size >= CLIENTS_MAX && !this.#makeRoom()) {
      throw new PlannerError('ERR_CLIENT_LIMIT', `${CLIENTS_MAX} pages are open; close one`, { retryable: true });
    }
    const stream = new LiveStream(
      this.#clock.now(),
      () => this.#snapshot(),
      () => this.#streams.delete(stream),
    );
    this.#streams.add(stream);
    return stream;
  }

  /** Replaces a page that does not read, or it would keep others out. System buffers can hide that for long: then age decides. */
  #makeRoom(): boolean {
    const settled = [...this.#streams].filter(({ openedAtMs }) => this.#clock.now() - openedAtMs >= PLACE_MS);
    const leaving = settled.find((stream) => stream.isBehind) ?? settled[0];
    if (leaving === undefined) return false;
    this.#streams.delete(leaving);
    leaving.destroy();
    return true;
  }

  get clients(): number {
    return this.#streams.size;
  }

  close(): void {
    this.#isClosed = true;
    this.#monitor.off('sample', this.#onSample);
    for (const stream of this.#streams) stream.end();
  }

  readonly #onSample = (taken: MonitorSample): void => {
    if (this.#streams.size === 0) return;
    const { sample, ...rest } = taken;
    const text = eventText('sample', { ...withRate(rest), row: seriesOf([sample]) });
    for (const stream of this.#streams) stream.tell(text);
  };

  #snapshot(): string {
    return eventText('snapshot', { ...withRate(this.#monitor.snapshot()), about: this.#about });
  }
}

/** The rate of both tiers together, computed here so that the page need not know Wilson's interval. */
function withRate<T extends Moment>(moment: T): T & { readonly falseHits: ReturnType<typeof falseHitRate> } {
  return { ...moment, falseHits: falseHitRate(moment.stats) };
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

class LiveStream extends Readable {
  readonly openedAtMs: number;
  readonly #snapshot: () => string;
  readonly #onEnd: () => void;
  /** True while there is something that its client has not read, as at first. */
  isBehind = true;
  #isWanted = false;
  #isEnded = false;

  constructor(openedAtMs: number, snapshot: () => string, onEnd: () => void) {
    super({ highWaterMark: BUFFER_BYTES });
    this.openedAtMs = openedAtMs;
    this.#snapshot = snapshot;
    this.#onEnd = onEnd;
  }

  tell(text: string): void {
    if (this.#isEnded) return;
    if (!this.#isWanted) this.isBehind = true;
    else this.#push(text);
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.push(null);
  }

  override _read(): void {
    this.#isWanted = true;
    if (!this.isBehind || this.#isEnded) return;
    this.isBehind = false;
    this.#push(this.#snapshot());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#isEnded = true;
    this.#onEnd();
    callback(error);
  }

  #push(text: string): void {
    this.#isWanted = false;
    this.push(text);
  }
}
