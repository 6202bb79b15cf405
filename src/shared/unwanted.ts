/**
 * The reason of every abort of our own. One value for all of them: an abort without a reason makes a DOMException with
 * a stack each time, and at a deadline hundreds of calls are aborted in the same millisecond.
 */
export const UNWANTED: Error = Object.assign(new Error('nobody waits for this work any more'), { name: 'AbortError' });
