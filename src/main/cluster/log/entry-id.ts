/** The place of an entry in the log. Within an epoch, numbers are dense. */
export interface EntryId {
  /** When the stream was made, in milliseconds of the engine. */
  readonly epoch: number;
  readonly number: number;
}

/** Undefined if the text is no id. */
export function entryId(text: string): EntryId | undefined {
  const [, epoch, number] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), number: Number(number) };
}

export function entryText({ epoch, number }: EntryId): string {
  return `${epoch}-${number}`;
}

/** Negative if `a` is before `b`, 0 if they are equal. */
export function compareEntries(a: EntryId, b: EntryId): number {
  return a.epoch - b.epoch || a.number - b.number;
}

/**
 * Compares two clears for a node that reads a log of this epoch. A clear in that log is after all of earlier logs: an engine that has lost its memory may
 * also have a clock that was set back, and then the epoch is the smaller one.
 */
export function compareClears(a: EntryId, b: EntryId, epoch: number): number {
  return Number(a.epoch === epoch) - Number(b.epoch === epoch) || compareEntries(a, b);
}

/** Whether an entry follows another one, or nothing, without a gap. */
export function follows(id: EntryId, before: EntryId | undefined): boolean {
  if (before === undefined) return id.number === 0;
  return id.epoch === before.epoch && id.number === before.number + 1;
}
