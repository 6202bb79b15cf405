import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** How long recorded calls of one model took. */
export interface RecordedModel {
  readonly name: string;
  /** Milliseconds, the shortest first. */
  readonly latenciesMs: Float64Array;
}

export interface Recording {
  readonly calls: number;
  /** All calls together, as if one model had answered them. */
  readonly pooled: RecordedModel;
  /** Models with enough calls, the one with the most first. */
  readonly models: readonly RecordedModel[];
}

/** Reads calls from a CSV file, packed or not, whose header names the columns `model` and `latency_s`. */
export function readRecording(file: string, callsMin: number): Recording {
  const bytes = readFileSync(file);
  const [header = '', ...lines] = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split(/\r?\n/);
  const columns = header.split(',');
  const [modelAt, latencyAt] = [columns.indexOf('model'), columns.indexOf('latency_s')];
  if (modelAt < 0 || latencyAt < 0) throw new Error(`${file} has no columns model and latency_s`);
  const byModel = new Map<string, number[]>();
  for (const line of lines) {
    if (line === '') continue;
    const cells = line.split(',');
    const name = cells[modelAt] as string;
    const latencyMs = Number(cells[latencyAt]) * 1_000;
    if (!(latencyMs > 0)) continue;
    const known = byModel.get(name);
    if (known === undefined) byModel.set(name, [latencyMs]);
    else known.push(latencyMs);
  }
  const all = [...byModel.values()].flat();
  const models = [...byModel]
    .filter(([, latencies]) => latencies.length >= callsMin)
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([name, latencies]) => recorded(name, latencies));
  return { calls: all.length, pooled: recorded('all models pooled', all), models };
}

function recorded(name: string, latencies: readonly number[]): RecordedModel {
  return { name, latenciesMs: Float64Array.from(latencies).sort() };
}

/** Linear between the recorded values, so that `share` 0 is the shortest call and 1 the longest. */
export function latencyAt({ latenciesMs }: RecordedModel, share: number): number {
  const place = share * (latenciesMs.length - 1);
  const low = latenciesMs[Math.floor(place)] as number;
  const high = latenciesMs[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}
