/**
 * A controller that aborts with `parent`, for the same reason, and can be aborted alone. `unlink` it when it is done with, or
 * the parent holds its listener. Not `AbortSignal.any`, whose signals the parent holds until they are collected.
 */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: Error): void;
  unlink(): void;
}

export function linkedAbort(parent: AbortSignal): LinkedAbort {
  const controller = new AbortController();
  const onParent = (): void => controller.abort(parent.reason);
  if (parent.aborted) onParent();
  else parent.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink: () => parent.removeEventListener('abort', onParent),
  };
}
