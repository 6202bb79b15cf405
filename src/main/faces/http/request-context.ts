import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

/**
 * Runs `serve` in the context from the headers of a request (`traceparent`), if a propagator is registered: plans made in it become children of the
 * caller's span. Otherwise just runs it.
 */
export function withRequestContext<T>(headers: Readonly<Record<string, unknown>>, serve: () => T): T {
  const active = context.active();
  // A context set by the host's own instrumentation takes precedence.
  const extracted = active === ROOT_CONTEXT ? propagation.extract(active, headers) : active;
  return extracted === active ? serve() : context.with(extracted, serve);
}
