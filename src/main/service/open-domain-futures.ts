import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Clock, deadlineSignal } from '../../shared/clock.ts';
import { describeValue, PlannerError } from '../../shared/errors.ts';
import type { ResolvedOptions } from '../options/planner-options.ts';
import { DomainFutures } from '../plans/expectations/domain-futures.ts';
import { DomainThread } from '../plans/expectations/domain-thread.ts';

/**
 * Loads the domain's module for next states on its thread. Undefined if the domain has none. Throws ERR_DOMAIN_INVALID if the module
 * is missing, cannot be loaded, or lacks a function.
 */
export async function openDomainFutures(
  { domain, startTimeoutMs }: Pick<ResolvedOptions, 'domain' | 'startTimeoutMs'>,
  clock: Clock,
): Promise<DomainFutures | undefined> {
  const { next } = domain;
  if (next === undefined) return undefined;
  const thread = new DomainThread(await moduleUrl(next));
  const deadline = deadlineSignal(clock, clock.now() + startTimeoutMs);
  try {
    await thread.load(deadline.signal);
    return new DomainFutures({ domain, clock, thread });
  } catch (cause) {
    await thread.close();
    const what = deadline.expired ? `not loaded after ${startTimeoutMs} ms` : (cause as Error).message;
    return fail('must be a module that exports the functions next and nextActions', next, what, cause);
  } finally {
    deadline.dispose();
  }
}

async function moduleUrl(next: string): Promise<string> {
  const path = next.startsWith('file:') ? fileURLToPath(next) : resolve(next);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) fail('must be the path or file URL of a module', next, `there is no file ${path}`);
  return pathToFileURL(path).href;
}

function fail(rule: string, next: string, what: string, cause?: unknown): never {
  throw new PlannerError('ERR_DOMAIN_INVALID', `domain.next ${rule}, got ${describeValue(next)} (${what})`, { cause });
}
