import { describeValue, PlannerError } from './errors.ts';
import { nearestName } from './nearest-name.ts';
import { type PlanRequest, readPlainly } from './plan-request.ts';

/** Parts of a planner by the name of their domain, and how a request finds its own. */
export class NamedDomains<T> {
  readonly all: ReadonlyMap<string, T>;
  /** The only one; undefined if there are several. */
  readonly only: T | undefined;

  constructor(all: ReadonlyMap<string, T>) {
    this.all = all;
    this.only = all.size === 1 ? [...all.values()][0] : undefined;
  }

  /** The part of the domain that a request names. Throws ERR_REQUEST_INVALID if it names none, unless there is only one. */
  of(request: PlanRequest): T {
    const name = nameIn(request);
    if (name === undefined && this.only !== undefined) return this.only;
    return this.all.get(name as string) ?? refuse(request, name, [...this.all.keys()]);
  }
}

/** The name of the domain in a request, which may be anything. */
function nameIn(request: PlanRequest): unknown {
  try {
    return request?.domain;
  } catch {
    return readPlainly(() => request.domain);
  }
}

function refuse(request: unknown, name: unknown, names: readonly string[]): never {
  if (request === null || typeof request !== 'object') {
    throw new PlannerError('ERR_REQUEST_INVALID', `request must be an object, got ${describeValue(request)}`);
  }
  const near = typeof name === 'string' ? nearestName(name, names) : undefined;
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
  const rule = names.length === 1 ? `must be ${names[0]} or absent` : `must be one of ${names.join(', ')}`;
  throw new PlannerError('ERR_REQUEST_INVALID', `domain ${rule}, got ${describeValue(name)}${hint}`);
}
