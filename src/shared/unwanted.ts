/**
 * The reason of all our own aborts. A single value, because an abort without a reason creates a DOMException with a stack each
 * time, and at a deadline hundreds of calls are aborted in the same millisecond.
 */
export const UNWANTED: Error = Object.assign(new Error('nobody waits for this work any more'), { name: 'AbortError' });
