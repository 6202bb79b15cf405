/**
 * A controller that aborts with `parent`, for the same reason, and can be aborted alone. Call `unlink` when done, or the parent
 * keeps its listener. `AbortSignal.any` is not used, because the parent holds its signals until they are collected.
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
