import { defined } from '../../shared/defined.ts';
import { type Domain, type DomainDefinition, defineDomain } from '../../shared/domain.ts';
import { skyrim } from '../../shared/domains/skyrim.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import { NamedDomains } from '../../shared/named-domain.ts';
import { checkRequest, type PlanRequest } from '../../shared/plan-request.ts';
import { isObject, isRecord } from '../../shared/untrusted-json.ts';
import { fileLines, type Line, traceFault } from './file-lines.ts';

export const TRACE_VERSION = 'conclave/1';

/** The first line of a trace. */
export interface TraceHeader {
  readonly trace: typeof TRACE_VERSION;
  readonly name: string;
  readonly source?: string;
  readonly licence?: string;
  readonly domain?: DomainDefinition;
  /** Several kinds of agents by name, in place of `domain`: then each record names its own. */
  readonly domains?: Readonly<Record<string, DomainDefinition>>;
}

/** One recorded request, checked against the domain. */
export interface TraceRecord {
  /** Line number in its file, from 1. */
  readonly line: number;
  /** Time in seconds; its origin is the trace's own. */
  readonly t: number;
  readonly request: PlanRequest;
  /** The agent's real action. */
  readonly chosen?: string;
}

/** Broken lines that were skipped. */
export interface SkippedLines {
  readonly lines: number;
  /** The place of the first of them, and what is wrong with it. */
  readonly first: string;
}

export interface TraceOptions {
  /** When it aborts, the records end. */
  readonly signal?: AbortSignal;
  /** Whether to skip and count broken lines. A broken header or file is always an error. Default false. */
  readonly skipsInvalid?: boolean;
}

export interface Trace extends AsyncDisposable {
  readonly file: string;
  readonly header: TraceHeader;
  /** The domain that its records are checked against: the header's features, with the built-in roles and description if it names `skyrim`. Of several, the first. */
  readonly domain: Domain;
  /** All domains by name. */
  readonly domains: Readonly<Record<string, Domain>>;
  /** The broken lines skipped so far; undefined if none. */
  readonly skipped: SkippedLines | undefined;
  /** Call once. Throws ERR_TRACE_INVALID at the first broken line, after the records before it, unless broken lines are skipped. */
  records(domains?: NamedDomains<Domain>): AsyncGenerator<TraceRecord, void, undefined>;
}

/** What a trace has of one of its domains. Closing it closes the trace. */
export function traceOfDomain(trace: Trace, name: string): Trace {
  const domain = trace.domains[name] as Domain;
  return {
    file: trace.file,
    header: { ...trace.header, name: `${trace.header.name} (${name})` },
    domain,
    domains: { [name]: domain },
    get skipped() {
      return trace.skipped;
    },
    async *records(checkedBy) {
      for await (const record of trace.records(checkedBy)) if (record.request.domain === name) yield record;
    },
    [Symbol.asyncDispose]: () => trace[Symbol.asyncDispose](),
  };
}

/**
 * Opens a trace, plain or gzip, and reads its header. Throws ERR_TRACE_INVALID with the file, the line, and what is
 * wrong.
 */
export async function openTrace(file: string, { signal, skipsInvalid = false }: TraceOptions = {}): Promise<Trace> {
  const lines = fileLines(file, signal);
  try {
    const first = await nextLine(lines);
    if (first === undefined) throw traceFault(file, undefined, 'is empty; a trace begins with a header line');
    const { header, domains } = readHeader(file, first);
    const byName = new NamedDomains(new Map(Object.entries(domains)));
    const close = async (): Promise<void> => void (await lines.return());
    let skipped: SkippedLines | undefined;
    const onBroken = (fault: PlannerError): void => {
      if (!skipsInvalid) throw fault;
      skipped = { lines: (skipped?.lines ?? 0) + 1, first: skipped?.first ?? fault.message };
    };
    return {
      file,
      header,
      domain: Object.values(domains)[0] as Domain,
      domains,
      get skipped() {
        return skipped;
      },
      records: (checkedBy = byName) => readRecords(file, lines, checkedBy, onBroken),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await lines.return();
    throw error;
  }
}

/** Estimates the number of records in a file: its lines less the header. Reads all of it, and checks nothing. */
export async function countRecords(file: string, signal?: AbortSignal): Promise<number> {
  let count = -1;
  for await (const line of fileLines(file, signal)) if (!isBlank(line)) count++;
  return Math.max(0, count);
}

function isBlank({ text, fault }: Line): boolean {
  return fault === undefined && text.trim() === '';
}

async function nextLine(lines: AsyncGenerator<Line, void, undefined>): Promise<Line | undefined> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    if (!isBlank(next.value)) return next.value;
  }
  return undefined;
}

function parseObject(file: string, { number, text, fault }: Line): Record<string, unknown> {
  if (fault !== undefined) throw fault;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw traceFault(file, number, `is not JSON (${(cause as Error).message})`, cause);
  }
  if (isRecord(value)) return value;
  throw traceFault(file, number, `must be an object, got ${describeValue(value)}`);
}

function readHeader(file: string, line: Line): { header: TraceHeader; domains: Readonly<Record<string, Domain>> } {
  const fail = (key: string, rule: string, value: unknown): never => {
    throw traceFault(file, line.number, `header: ${key} must be ${rule}, got ${describeValue(value)}`);
  };
  const header = parseObject(file, line);
  if (header.trace !== TRACE_VERSION) fail('trace', `"${TRACE_VERSION}"`, header.trace);
  if (typeof header.name !== 'string' || header.name === '') fail('name', 'a name', header.name);
  for (const key of ['source', 'licence']) {
    if (header[key] !== undefined && typeof header[key] !== 'string') fail(key, 'a text', header[key]);
  }
  const { domain, domains } = header;
  const told = header as unknown as TraceHeader;
  if (domain !== undefined || domains === undefined) {
    if (!isObject(domain)) fail('domain', 'an object with name and features', domain);
    const only = domainOf(file, line, domain as DomainDefinition);
    return { header: told, domains: { [only.name]: only } };
  }
  if (!isObject(domains) || Object.keys(domains).length === 0) fail('domains', 'an object of domains by name', domains);
  const entries = Object.entries(domains as object).map(([name, each]): [string, Domain] => {
    if (!isObject(each)) fail(`domains.${name}`, 'an object with name and features', each);
    return [name, domainOf(file, line, each)];
  });
  return { header: told, domains: Object.fromEntries(entries) };
}

function domainOf(file: string, line: Line, definition: DomainDefinition): Domain {
  const builtIn =
    definition.name === skyrim.name ? { description: skyrim.description, roles: skyrim.roles } : undefined;
  if ('next' in definition) {
    throw traceFault(file, line.number, 'header: domain.next is not allowed: a trace is data, and runs no code');
  }
  try {
    return defineDomain({ ...builtIn, ...definition });
  } catch (error) {
    if (error instanceof PlannerError) throw traceFault(file, line.number, `header: ${error.message}`, error);
    throw error;
  }
}

async function* readRecords(
  file: string,
  lines: AsyncGenerator<Line, void, undefined>,
  domains: NamedDomains<Domain>,
  onBroken: (fault: PlannerError) => void,
): AsyncGenerator<TraceRecord, void, undefined> {
  for (let line = await nextLine(lines); line !== undefined; line = await nextLine(lines)) {
    const record = recordOrFault(file, line, domains);
    if (record instanceof PlannerError) onBroken(record);
    else yield record;
  }
}

/** Returned, not thrown through the generator, whose consumer may throw errors of the same code. */
function recordOrFault(file: string, line: Line, domains: NamedDomains<Domain>): TraceRecord | PlannerError {
  try {
    return readRecord(file, line, domains);
  } catch (error) {
    if (error instanceof PlannerError) return error;
    throw error;
  }
}

function readRecord(file: string, line: Line, domains: NamedDomains<Domain>): TraceRecord {
  const { t, agent, observation, actions, qValues, chosen, domain } = parseObject(file, line);
  if (typeof t !== 'number') {
    throw traceFault(file, line.number, `t must be a number of seconds, got ${describeValue(t)}`);
  }
  if (chosen !== undefined && typeof chosen !== 'string') {
    throw traceFault(file, line.number, `chosen must be a text, got ${describeValue(chosen)}`);
  }
  // Typed only as far as JSON can be: checkRequest checks every member before anything else.
  const request = { agent, observation, actions, ...defined({ qValues, domain }) } as PlanRequest;
  try {
    checkRequest(domains.of(request), request);
  } catch (error) {
    if (error instanceof PlannerError) throw traceFault(file, line.number, error.message, error);
    throw error;
  }
  return { line: line.number, t, request, ...defined({ chosen }) };
}
