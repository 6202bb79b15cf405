import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createGzip, type Gzip } from 'node:zlib';
import type { Domain, DomainDefinition } from '../../shared/domain.ts';
import { PlannerError } from '../../shared/errors.ts';
import { TRACE_VERSION, type TraceHeader, type TraceRecord } from './trace-reader.ts';

interface RecordedTrace extends Omit<TraceHeader, 'trace' | 'source'> {
  readonly source: string;
}

/**
 * Writes the trace that a session ran, with the planned actions as `chosen`, in the order of the requests even though plans settle in another order:
 * early lines wait here, at most as many as the session has open. Writes gzip if the name ends in `.gz`.
 */
export class TraceWriter {
  readonly #file: string;
  readonly #sink: WriteStream;
  readonly #gzip: Gzip | undefined;
  /** Lines by index; undefined if the request has no plan. */
  readonly #early = new Map<number, string | undefined>();
  #next = 0;
  #fault: Error | undefined;
  #drained: Promise<void> | undefined;

  private constructor(file: string, sink: WriteStream) {
    this.#file = file;
    this.#sink = sink;
    this.#gzip = file.endsWith('.gz') ? createGzip() : undefined;
    this.#gzip?.pipe(sink);
    sink.on('error', (error) => {
      this.#fault ??= error;
      this.#gzip?.destroy();
    });
    this.#gzip?.on('error', () => {});
  }

  /** Opens the file, empties it and writes the header. Throws ERR_OPTIONS_INVALID if it cannot be written. */
  static async open(file: string, trace: RecordedTrace): Promise<TraceWriter> {
    const sink = createWriteStream(file);
    try {
      await once(sink, 'open');
    } catch (cause) {
      throw writeFault(file, cause);
    }
    const writer = new TraceWriter(file, sink);
    const { domain, domains, ...rest } = trace;
    const of = domains === undefined ? { domain: withoutCode(domain) } : { domains: allWithoutCode(domains) };
    writer.#put(JSON.stringify({ trace: TRACE_VERSION, ...rest, ...of }));
    return writer;
  }

  /** Adds the plan of the request at `index`, counted from 0 without gaps. */
  add(index: number, { t, request }: TraceRecord, action: string): void {
    const { agent, observation, actions, qValues, domain } = request;
    this.#settle(index, JSON.stringify({ t, domain, agent, observation, actions, qValues, chosen: action }));
  }

  /** Skips the request at `index`, which has no plan because it was cancelled. */
  skip(index: number): void {
    this.#settle(index, undefined);
  }

  /** Resolves when the disk has caught up, so that a slow disk slows the session down instead of filling memory. */
  async ready(): Promise<void> {
    await this.#drained;
  }

  /** Writes the rest, even after a gap, and closes the file. Throws if something could not be written. */
  async close(): Promise<void> {
    for (const [, line] of [...this.#early].sort(([a], [b]) => a - b)) this.#put(line);
    this.#early.clear();
    if (this.#fault === undefined) {
      const closed = Promise.withResolvers<void>();
      this.#sink.once('close', closed.resolve);
      (this.#gzip ?? this.#sink).end();
      await closed.promise;
    }
    if (this.#fault !== undefined) throw writeFault(this.#file, this.#fault);
  }

  #settle(index: number, line: string | undefined): void {
    this.#early.set(index, line);
    while (this.#early.has(this.#next)) {
      this.#put(this.#early.get(this.#next));
      this.#early.delete(this.#next++);
    }
  }

  #put(line: string | undefined): void {
    if (line === undefined || this.#fault !== undefined) return;
    const target = this.#gzip ?? this.#sink;
    if (target.write(`${line}\n`) || this.#drained !== undefined) return;
    const settled = Promise.withResolvers<void>();
    const drained = (): void => {
      target.off('drain', drained).off('close', drained);
      this.#drained = undefined;
      settled.resolve();
    };
    target.on('drain', drained).on('close', drained);
    this.#drained = settled.promise;
  }
}

/** A trace names no code, and keys of a planner mean nothing in it. */
function withoutCode(domain: DomainDefinition | undefined): object | undefined {
  const { next: _next, scope: _scope, ...data } = { ...domain } as Domain;
  return data;
}

function allWithoutCode(domains: Readonly<Record<string, DomainDefinition>>): object {
  return Object.fromEntries(Object.entries(domains).map(([name, domain]) => [name, withoutCode(domain)]));
}

function writeFault(file: string, cause: unknown): PlannerError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'there is no such folder' : message;
  return new PlannerError('ERR_OPTIONS_INVALID', `${file}: the trace cannot be written: ${why}`, { cause });
}
