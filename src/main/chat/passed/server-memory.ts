import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import type { Seat } from '../../models/seat.ts';
import { decisionForm } from '../decisions/decision-forms.ts';
import type { ChatSeat } from '../seats/chat-route.ts';
import type { PassedRoute } from './pass-request.ts';

/** A server that does not have a route is asked for it again after this long: it may have been replaced. */
export const ABSENT_MS = 300_000;
/** Of more responses, those that were asked for longest ago are forgotten. */
const RESPONSES_MAX = 10_000;
const ID_CHARS_MAX = 256;

/** What is remembered of servers for requests that are passed on: routes that they do not have, and responses that they made. */
export class ServerMemory {
  readonly #clock: Clock;
  /** Until when each route of each endpoint is taken for absent; decisions of each model, since a server has them for some. */
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
