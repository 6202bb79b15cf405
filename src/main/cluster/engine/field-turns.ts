import type { Clock } from '../../../shared/clock.ts';
import type { EngineReply } from './engine.ts';

/** Fields that are taken in one turn of the event loop: in less than a millisecond. */
const FIELDS_AT_ONCE = 64;

/** Hands on what `fields_read` has returned, a few fields at a time, so that nothing waits for those of many nodes. */
export async function takeFields(
  listed: readonly EngineReply[],
  clock: Clock,
  take: (field: string, value: Buffer) => void,
): Promise<void> {
  for (let i = 0; i + 1 < listed.length; i += 2) {
    if (i > 0 && i % (2 * FIELDS_AT_ONCE) === 0) await new Promise<void>((resolve) => clock.nextTurn(resolve));
    take(String(listed[i]), listed[i + 1] as Buffer);
  }
}
