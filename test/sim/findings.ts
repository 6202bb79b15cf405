import type { Clock } from '../../src/shared/clock.ts';

/** What a run did, as one number to compare with another run, and the first claim that did not hold. */
export class Findings {
  readonly #clock: Clock;
  readonly #tail: string[] = [];
  #hash = 0x811c9dc5;
  #broken: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hash(): number {
    return this.#hash >>> 0;
  }

  /** One line of the trace. */
  note(line: string): void {
    const text = `${this.#clock.now().toFixed(3)} ${line}`;
    for (let i = 0; i < text.length; i++) this.#hash = Math.imul(this.#hash ^ text.charCodeAt(i), 0x01000193);
    this.#tail.push(text);
    if (this.#tail.length > TAIL_LINES * 2) this.#tail.splice(0, TAIL_LINES);
  }

  /** Told by the next `report`: a claim may be held against what is inside a call of the planner, which catches. */
  claim(holds: boolean, what: string): void {
    if (holds || this.#broken !== undefined) return;
    const tail = this.#tail.slice(-TAIL_LINES).join('\n');
    this.#broken = new Error(`at ${this.#clock.now().toFixed(3)} ms: ${what}\nThe trace until then:\n${tail}`);
  }

  /** Throws at the first claim that did not hold. */
  report(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }
}

const TAIL_LINES = Number(process.env.SIM_TAIL ?? 25);
