import type { Clock } from '../../../shared/clock.ts';
import type { Precedent } from '../../cache/exchange/precedent.ts';
import { encodePrecedent, type NumberedPrecedent } from './precedent-codec.ts';

/** Maximum number that wait while the engine is away. Then the oldest are dropped. */
const WAITING_MAX = 4_096;

/**
 * The precedents of this node that wait for a batch of the log. Each has a number, which counts up, so that one that is sent again after a
 * call that seemed to fail counts once.
 */
export class PrecedentQueue {
  readonly #clock: Clock;
  #waiting: NumberedPrecedent[] = [];
  #underWay: NumberedPrecedent[] = [];
  #lastNumber = 0;
  readonly counts = { sent: 0, full: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** The number of the last precedent, sent or not. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  add(precedent: Precedent): void {
    this.#waiting.push({ number: ++this.#lastNumber, precedent });
    this.#bound();
  }

  /** Takes the oldest, as many as fit, until `settled` is called. */
  take(bytesMax: number): Buffer[] {
    const taken: Buffer[] = [];
    let bytes = 0;
    let count = 0;
    for (const { number, precedent } of this.#waiting) {
      if (bytes >= bytesMax) break;
      count++;
      const encoded = encodePrecedent(number, precedent, this.#clock.now());
      if (encoded === undefined) continue;
      bytes += encoded.length;
      taken.push(encoded);
    }
    this.#underWay = this.#waiting.splice(0, count);
    return taken;
  }

  /** The call with what was taken has ended. Without success, it is sent again. */
  settled(isSent: boolean): void {
    if (isSent) this.counts.sent += this.#underWay.length;
    else this.#waiting.unshift(...this.#underWay);
    this.#underWay = [];
    this.#bound();
  }

  /** Everything was cleared: what was learned before is sent no more. */
  forget(): void {
    this.#waiting = [];
    this.#underWay = [];
  }

  #bound(): void {
    const tooMany = this.#waiting.length - WAITING_MAX;
    if (tooMany <= 0) return;
    this.#waiting.splice(0, tooMany);
    this.counts.full += tooMany;
  }
}
