import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import type { Seat } from '../../models/seat.ts';
import { decisionForm } from '../decisions/decision-forms.ts';
import type { ChatSeat } from '../seats/chat-route.ts';
import type { PassedRoute } from './pass-request.ts';

/** After this long, a server without a route is asked for it again: it may have been replaced. */
const ABSENT_MS = 300_000;
/** Maximum number of responses remembered; the least recently used are forgotten. */
const RESPONSES_MAX = 10_000;
const ID_CHARS_MAX = 256;

/** Remembers what servers do with passed-on requests: routes they do not have, and responses they made. */
export class ServerMemory {
  readonly #clock: Clock;
  /** Time until which each route of each endpoint counts as absent; decisions by model, since a server supports them only for some. */
  readonly #absentUntilMs = new Map<string, number>();
  readonly #makers = new LRUCache<string, Seat>({ max: RESPONSES_MAX });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  lacks(seat: ChatSeat, route: PassedRoute): void {
    this.#absentUntilMs.set(absenceKey(seat, route), this.#clock.now() + ABSENT_MS);
  }

  isAbsent(seat: ChatSeat, route: PassedRoute): boolean {
    return this.#clock.now() < (this.#absentUntilMs.get(absenceKey(seat, route)) ?? Number.NEGATIVE_INFINITY);
  }

  made(id: string, maker: Seat): void {
    if (id.length <= ID_CHARS_MAX) this.#makers.set(id, maker);
  }

  makerOf(id: string): Seat | undefined {
    return this.#makers.get(id);
  }
}

function absenceKey({ at, model }: ChatSeat, route: PassedRoute): string {
  return decisionForm(route) === undefined ? `${route} ${at.name}` : `${route} ${at.name}\n${model}`;
}
