import { forkRandom } from '../../../../shared/random.ts';
import type { Reading } from '../../../../shared/reads/reading.ts';
import { listKey } from '../../../../shared/situation.ts';
import type { CallTerms, ExpertResult, ReadTerms } from '../../../../shared/tasks.ts';
import type { AttemptSubject } from '../../../models/calls/attempt-log.ts';
import { type ModelQuery, OUT_OF_TIME, type QueryListeners } from '../../../models/calls/call-maker.ts';
import type { ModelEndpoint } from '../../../models/model-endpoint.ts';
import type { Seat } from '../../../models/seat.ts';
import { SpareSlots } from '../../../models/slots/spare-slots.ts';
import type { ResolvedExpert } from '../../../options/planner-options.ts';
import type { FlightParts } from '../../flights/flight-parts.ts';
import { readerKey } from '../label-priors.ts';
import type { Reads } from '../reads.ts';
import { FurtherReads } from './further-reads.ts';
import { type SeatAsk, SeatReader } from './seat-reader.ts';
import type { ShownGroups } from './shown-groups.ts';

/** Share of the lists of chats that are turned although the model's preferences are known. */
const TURNED_SHARE = 0.05;

/** What was read: the actions that were offered, and what each role says about them. */
export interface ReadInHand {
  readonly actions: readonly string[];
  readonly readings: readonly Reading[];
}

/** What a query needs to know of the read that it belongs to. */
export interface ReadPace {
  /** Called when the query has a slot. Returns the maximum number of roles that it asks. */
  started(): number;
  /** Called with what counts if no further request is answered, and whether one may follow. */
  inHand(read: ReadInHand, mayGoOn: boolean): void;
  /** Time for further requests, in milliseconds. */
  readonly leftMs: number;
  /** Whether a plan waits for it. */
  readonly isAwaited: boolean;
  /** What a read chooses, with experience. */
  choiceOf(read: ReadInHand): { readonly action: string; readonly probability: number };
}

export interface ReadQueryParts {
  readonly planId: number;
  readonly parts: FlightParts;
  readonly reads: Reads;
  readonly shown: ShownGroups;
  readonly experts: readonly ResolvedExpert[];
  /** The text of the request's signature. */
  readonly state: string;
  readonly pace: ReadPace;
}

/** Reads one model, in its server's form; if that turns out to be a different form or to need a second token, once more. */
export class ReadQuery implements ModelQuery {
  readonly #given: ReadQueryParts;

  constructor(given: ReadQueryParts) {
    this.#given = given;
  }

  async run(
    subject: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    listeners: QueryListeners,
  ): Promise<ExpertResult> {
    const { pace, shown, experts, planId, parts, reads } = this.#given;
    const roles = experts.slice(0, pace.started()).map(({ role }) => role);
    const { endpoint, model } = subject;
    const [expert] = experts as readonly [ResolvedExpert, ...ResolvedExpert[]];
    const endMs = parts.clock.now() + terms.timeoutMs;
    for (;;) {
      const read = this.#termsAt(endpoint, model, roles);
      if (read === undefined) return cannotRead(model);
      listeners.onForm(read.form, read.roles.length === 1 ? read.roles[0] : undefined);
      const timeoutMs = Math.max(1, endMs - parts.clock.now());
      const reader = new SeatReader({ planId, parts, reads, expert, subject, terms, signal, listeners });
      const [result, firstMs] = await askOne(reader, { situation: shown.first, read, timeoutMs });
      const code = signal.reason === OUT_OF_TIME ? 'ERR_MODEL_TIMEOUT_HEADERS' : undefined;
      const isOtherNext = reads.forms.observe(endpoint, model, read.form, result, code) && !signal.aborted;
      if (isOtherNext) continue;
      if (result.ok && result.readings !== undefined) {
        const seat = { endpoint, model };
        const spare = this.#spareSlots(seat, endMs, signal);
        const further = new FurtherReads({ ...this.#given, reader, read, seat, roles, firstMs, spare, signal });
        return reader.whole(await further.after(result.readings));
      }
      return result;
    }
  }

  #spareSlots({ endpoint, model }: Seat, deadlineMs: number, signal: AbortSignal): SpareSlots {
    const { gate } = this.#given.parts.endpoints.get(endpoint) as ModelEndpoint;
    return new SpareSlots(gate, { model, kind: 'read', deadlineMs }, signal);
  }

  #termsAt(endpoint: string, model: string, roles: readonly string[]): ReadTerms | undefined {
    const form = this.#given.reads.forms.formFor(endpoint, model);
    if (form === undefined) return undefined;
    const kind = this.#given.parts.endpoints.get(endpoint)?.facts.kind ?? 'unknown';
    const manner = this.#given.reads.forms.mannerFor({ endpoint, model, kind });
    // One token has room for one answer; the other forms ask all roles in one reading of the situation, each with options of its own.
    const asked = form === 'logprobs' ? roles.slice(0, 1) : roles;
    const turn = form === 'logprobs' ? this.#listTurn({ endpoint, model }) : forkRandom(0, this.#given.state).next();
    return { form, roles: asked, turn, ...manner };
  }

  /**
   * How far the list of a chat is turned. It stands in what all roles share, and in what a written call of the same model would share with the
   * read. So it is turned by what stands before it and by the list itself, since servers have to read it again if these change, and only until
   * the model's preference for labels is known. A few lists are turned even then, because nothing else would show that the model is another one.
   */
  #listTurn(seat: Seat): number | undefined {
    const { parts, shown, reads } = this.#given;
    const chance = forkRandom(0, listKey(parts.options.domain, shown.first)).next();
    if (!reads.labels.isKnown(readerKey(seat, 'logprobs', shown.first.actions))) return chance;
    return chance < TURNED_SHARE ? chance / TURNED_SHARE : undefined;
  }
}

/** The result of one request, and its time in milliseconds. */
async function askOne(reader: SeatReader, ask: SeatAsk): Promise<[ExpertResult, number]> {
  let result: ExpertResult | undefined;
  const ms = await reader.ask([ask], (answer) => {
    result = answer;
  });
  return [result as ExpertResult, ms];
}

function cannotRead(model: string): ExpertResult {
  const message = `${model} can only be asked in words here`;
  return { ok: false, error: { code: 'ERR_METHOD_UNKNOWN', message, retryable: false }, report: { totalMs: 0 } };
}
