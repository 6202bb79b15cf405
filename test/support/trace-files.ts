import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone when the test is. */
export interface TempFolder extends Disposable {
  readonly path: string;
  /** Writes a file and tells its path. */
  file(name: string, content: string | Uint8Array): string;
}

export function tempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'conclave-'));
  return {
    path,
    file: (name, content) => {
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

export const FEATURES = {
  place: { kind: 'category' },
  health: { kind: 'number', edges: [50], range: [0, 100] },
} as const;

export const HEADER = {
  trace: 'conclave/1',
  name: 'cave',
  source: 'a test',
  licence: 'MIT',
  domain: { name: 'cave', features: FEATURES },
};

/** The record at `index`: agents a and b in turn, the first action chosen. */
export function recordAt(index: number): Record<string, unknown> {
  return {
    t: index,
    agent: index % 2 === 0 ? 'a' : 'b',
    observation: { place: 'hall', health: index % 100 },
    actions: ['go', 'stay'],
    qValues: { go: 0.5 },
    chosen: 'go',
  };
}

/** The text of a trace: the header, then the given lines, objects as JSON. */
export function traceText(lines: readonly (object | string)[], header: object | string = HEADER): string {
  return [header, ...lines].map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
}

export function records(count: number): object[] {
  return Array.from({ length: count }, (_, index) => recordAt(index));
}
