import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

/**
 * Runs `serve` in the context that the headers of a request carry (`traceparent`), where a propagator is registered: plans
 * made in it become children of the caller's span. Without one it only runs it.
 */
export function withRequestContext<T>(headers: Readonly<Record<string, unknown>>, serve: () => T): T {
  const active = context.active();
  // What the host's own instrumentation has put there knows better.
  const extracted = active === ROOT_CONTEXT ? propagation.extract(active, headers) : active;
  return extracted === active ? serve() : context.with(extracted, serve);
}
