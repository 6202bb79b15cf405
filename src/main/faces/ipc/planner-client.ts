import { EventEmitter } from 'node:events';
import { type Remote, wrap } from 'comlink';
import type { Clock } from '../../../shared/clock.ts';
import { type Domain, imageFeaturesOf } from '../../../shared/domain.ts';
import { decodeError, encodeError, PlannerError } from '../../../shared/errors.ts';
import { NamedDomains } from '../../../shared/named-domain.ts';
import { checkRequest, type PlanRequest, readPlainly } from '../../../shared/plan-request.ts';
import { type ChatCallOptions, cancelled, checkTimeout, readCallOptions } from '../../chat/chat-call-options.ts';
import type { ChatPlannerStats } from '../../chat/chat-planner.ts';
import type {
  DecisionsAnswers,
  DecisionsRequest,
  SystemOneAnswers,
  SystemOneRequest,
} from '../../chat/decisions/decide.ts';
import type { AnyPlannerOptions, ResolvedOptions } from '../../options/planner-options.ts';
import { checkPlanOptions, defaultTimeoutMs } from '../../plans/check-plan-options.ts';
import { checkedFutures, type Future } from '../../plans/expectations/future.ts';
import { planCancelled } from '../../plans/flights/flight-board.ts';
import { keptRequest } from '../../plans/kept-request.ts';
import type { CloseOptions, Plan, PlanOptions } from '../../plans/plan.ts';
import { readPlanOptions } from '../../plans/plan-options.ts';
import { noDecision, ownAnswer } from '../own-answer.ts';
import { callListener, checkCallsMax } from '../remote-calls.ts';
import { type FromPlanner, isOwn, type PlannerApi, type Reply, type ToPlanner, unwrapped } from './messages.ts';
import { endText, type Peer, type PeerEnd } from './peer.ts';
import { PeerEndpoint } from './peer-endpoint.ts';
import type { ResolvedRemote } from './peer-options.ts';
import { PendingCall } from './pending-call.ts';
import type { RemotePlanner, RemotePlannerEvents } from './remote-planner.ts';

interface PlannerClientParts {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly planner: ResolvedOptions;
  readonly remote: ResolvedRemote;
}

type Told = 'plan' | 'warning';

/**
 * The host's side of a planner in another thread or process. The protocol is described in docs/concurrency.md, "A planner in another thread or
 * process".
 */
export class PlannerClient extends EventEmitter<RemotePlannerEvents> implements RemotePlanner {
  protected readonly api: Remote<PlannerApi>;
  readonly #parts: PlannerClientParts;
  readonly #domains: NamedDomains<Domain>;
  readonly #endpoint: PeerEndpoint;
  /** Kept, because every access to comlink's proxy creates another one. */
  readonly #planRemotely: Remote<PlannerApi>['plan'];
  readonly #plans = new Map<number, PendingCall<Plan>>();
  readonly #ready = Promise.withResolvers<SharedArrayBuffer | undefined>();
  #state: 'starting' | 'open' | 'ended' = 'starting';
  /** The events that the planner should send. */
  readonly #listens: Record<Told, boolean> = { plan: false, warning: false };
  /** The planner keeps its first warnings until it gets this message, so it is sent only after the host could add listeners. */
  #hasToldListens = false;
  #nextCall = 1;
  #invalid = 0;
  #closed: Promise<void> | undefined;
  /** True if the peer is ending because it was told to. */
  #isLeaving = false;
  #hurry: () => void = () => {};

  constructor(parts: PlannerClientParts) {
    super();
    this.#parts = parts;
    const { peer } = parts;
    this.#domains = new NamedDomains(new Map(parts.planner.domains.map(({ name, domain }) => [name, domain])));
    this.#endpoint = new PeerEndpoint({ post: (message) => peer.post(message), onBusy: () => this.#hold() });
    this.api = wrap<PlannerApi>(this.#endpoint);
    this.#planRemotely = this.api.plan;
    peer.listen((message) => {
      if (isOwn(message)) this.#hear(message as FromPlanner);
      else this.#endpoint.hear(message);
    });
    void peer.ended.then((end) => this.#ended(end));
    this.on('newListener', (name: string | symbol) => this.#tellInterest(name, true));
    this.on('removeListener', (name: string | symbol) => this.#tellInterest(name, false));
  }

  /** Starts the planner there. On failure, rejects with the reason after the peer has exited. */
  async start(options: AnyPlannerOptions): Promise<SharedArrayBuffer | undefined> {
    const { peer, clock, remote } = this.#parts;
    const timer = clock.setTimer(remote.startTimeoutMs, () => {
      const why = `the planner's ${peer.name} did not start in ${remote.startTimeoutMs} ms (startTimeoutMs)`;
      this.#ready.reject(new PlannerError('ERR_PEER_EXITED', why));
    });
    try {
      this.#post({ kind: 'start', options });
      const cacheBuffer = await this.#ready.promise;
      this.#state = 'open';
      this.#hold();
      // After the caller's continuation, so that it can add listeners first.
      clock.nextTurn(() => this.#tellListens());
      return cacheBuffer;
    } catch (error) {
      this.#isLeaving = true;
      peer.kill();
      await peer.ended;
      throw error;
    } finally {
      timer.cancel();
    }
  }

  get domain(): Domain {
    return this.#parts.planner.domain;
  }

  get domains(): Readonly<Record<string, Domain>> {
    return Object.fromEntries(this.#domains.all);
  }

  /** Checks a request by the rules of its domain. Throws ERR_REQUEST_INVALID. */
  protected check(request: PlanRequest): void {
    checkRequest(this.#domains.of(request), request);
  }

  get maxInFlight(): number {
    return this.#parts.planner.maxInFlight;
  }

  get isOpen(): boolean {
    return this.#closed === undefined && this.#state === 'open';
  }

  async plan<const A extends string>(request: PlanRequest<Domain, A>, given?: PlanOptions): Promise<Plan<A>> {
    const { clock, peer, remote } = this.#parts;
    const startedAtMs = clock.now();
    const options = this.#optionsOf(given);
    const timeoutMs = this.#admit(request, options);
    const { signal, onAttempt, priority } = options;
    const number = this.#nextCall++;
    const call = new PendingCall<Plan>({
      clock,
      deadlineMs: startedAtMs + timeoutMs,
      lateGraceMs: remote.lateGraceMs,
      signal,
      onAttempt,
      answerHere: readPlainly(() => this.#ownAnswer(request, startedAtMs, timeoutMs)),
      cancelled: () => planCancelled(signal),
      cancel: () => this.#post({ kind: 'cancel', call: number }),
    });
    this.#plans.set(number, call);
    const sentAtMs = peer.sharesClock ? startedAtMs : undefined;
    const asked = { call: number, request, timeoutMs, priority, wantsAttempts: onAttempt !== undefined, sentAtMs };
    settle(call, this.#planRemotely(asked));
    try {
      // The planner guarantees one of the request's actions.
      return (await call.settled) as Plan<A>;
    } finally {
      this.#plans.delete(number);
    }
  }

  decide(request: DecisionsRequest, options?: ChatCallOptions): Promise<DecisionsAnswers>;
  decide(request: SystemOneRequest, options?: ChatCallOptions): Promise<SystemOneAnswers>;
  async decide(request: object, given?: ChatCallOptions): Promise<unknown> {
    const { clock, peer, planner, remote } = this.#parts;
    const { signal, ...options } = readCallOptions(given);
    const { timeoutMs = planner.chat.timeoutMs } = options;
    checkTimeout(timeoutMs);
    this.#checkOpen();
    if (signal?.aborted) throw cancelled();
    this.#checkRoom();
    const number = this.#nextCall++;
    const call = new PendingCall<unknown>({
      clock,
      deadlineMs: clock.now() + timeoutMs,
      lateGraceMs: remote.lateGraceMs,
      signal,
      answerHere: () => Promise.reject(noDecision(`the planner's ${peer.name}`, timeoutMs)),
      cancelled,
      cancel: () => this.#post({ kind: 'cancel', call: number }),
    });
    settle(call, this.api.decide({ call: number, request, options }));
    return call.settled;
  }

  async expect(futures: readonly Future[]): Promise<void> {
    checkedFutures((future) => this.#domains.of(future), futures);
    await this.ask(() => this.api.expect(futures));
  }

  async observe(state: PlanRequest): Promise<void> {
    this.check(state);
    await this.ask(() => this.api.observe(state));
  }

  async stats(): Promise<ChatPlannerStats> {
    const stats = await this.ask(() => this.api.stats());
    return { ...stats, plans: { ...stats.plans, invalid: stats.plans.invalid + this.#invalid } };
  }

  async clearCache(): Promise<void> {
    await this.ask(() => this.api.clearCache());
  }

  close({ drainMs = 0 }: CloseOptions = {}): Promise<void> {
    if (this.#closed === undefined) this.#closed = this.#close(drainMs);
    else if (drainMs <= 0) this.#hurry();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Removes the caller's listeners, not this class' own. */
  override removeAllListeners(name?: string | symbol): this {
    for (const each of name === undefined ? ['plan', 'warning', 'exit'] : [name])
      super.removeAllListeners(each as Told);
    return this;
  }

  /** Makes a call that has a reply. */
  protected async ask<T>(call: () => Promise<Reply<T>>): Promise<T> {
    this.#checkRoom();
    return unwrapped(await call());
  }

  #optionsOf(given: PlanOptions | undefined): PlanOptions {
    try {
      return readPlanOptions(given);
    } catch (error) {
      this.#invalid++;
      throw error;
    }
  }

  /** Checks a call before it is sent. Returns the plan's time in milliseconds. */
  #admit(request: PlanRequest, options: PlanOptions): number {
    const { planner } = this.#parts;
    this.#checkOpen();
    let timeoutMs: number;
    try {
      const domain = this.#domains.of(request);
      checkRequest(domain, request);
      timeoutMs = options.timeoutMs ?? defaultTimeoutMs(planner, imageFeaturesOf(domain), request);
      checkPlanOptions(timeoutMs, options.priority);
    } catch (error) {
      this.#invalid++;
      throw error;
    }
    if (options.signal?.aborted) throw planCancelled(options.signal);
    this.#checkRoom();
    return timeoutMs;
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new PlannerError('ERR_PLANNER_CLOSED', 'the planner is closed');
  }

  #checkRoom(): void {
    checkCallsMax(this.#endpoint.waiting, this.#parts.remote.callsMax);
  }

  /** The last rung. Taken from the request now: the host may reuse the lists in the next frame. */
  #ownAnswer(request: PlanRequest, startedAtMs: number, timeoutMs: number): () => Plan {
    const { clock, peer } = this.#parts;
    const answer = ownAnswer(`the planner's ${peer.name}`, request, timeoutMs, () => clock.now() - startedAtMs);
    const kept = this.listenerCount('plan') > 0 ? keptRequest(request) : undefined;
    return () => {
      const plan = answer();
      if (kept !== undefined) this.#tell('plan', () => this.emit('plan', plan, kept));
      return plan;
    };
  }

  async #close(drainMs: number): Promise<void> {
    const { peer, clock, remote } = this.#parts;
    if (!this.#isAlive) return;
    const kill = (): void => {
      this.#isLeaving = true;
      peer.kill();
    };
    let timer = clock.setTimer(drainMs + remote.closeTimeoutMs, kill);
    this.#hurry = () => {
      timer.cancel();
      timer = clock.setTimer(remote.closeTimeoutMs, kill);
      // The first close awaits the answer.
      void this.api.close({});
    };
    await this.api.close({ drainMs });
    this.#hurry = () => {};
    if (this.#isAlive) {
      this.#isLeaving = true;
      peer.hold(true);
      peer.leave();
    }
    await peer.ended;
    timer.cancel();
  }

  #hear(message: FromPlanner): void {
    switch (message.kind) {
      case 'ready':
        return this.#ready.resolve(message.cacheBuffer);
      case 'failed':
        return this.#ready.reject(decodeError(message.error));
      case 'attempt':
        return this.#tell('onAttempt', () => this.#plans.get(message.call)?.hear(message.attempt));
      case 'plan':
        return this.#tell('plan', () => this.emit('plan', message.plan, message.request));
      case 'warning':
        return this.#tell('warning', () => this.emit('warning', message.message));
      default:
        return message satisfies never;
    }
  }

  #ended(end: PeerEnd): void {
    const { peer } = this.#parts;
    const expected = this.#isLeaving;
    const starting = this.#state === 'starting';
    const text = starting ? `${endText(peer, end)} while it started` : endText(peer, end);
    const error = expected
      ? new PlannerError('ERR_PLANNER_CLOSED', 'the planner is closed')
      : new PlannerError('ERR_PEER_EXITED', text);
    this.#state = 'ended';
    this.#ready.reject(error);
    // A close settles plans, even a forced one.
    if (expected) for (const call of [...this.#plans.values()]) call.answerHere();
    this.#endpoint.end(encodeError(error));
    const { code, signal } = end;
    this.#tell('exit', () => this.emit('exit', { code, signal, expected }));
  }

  /** Calls that wait for a reply keep the process alive; an idle planner does not. */
  #hold(): void {
    if (this.#state === 'open') this.#parts.peer.hold(this.#endpoint.waiting > 0);
  }

  /** Called before a listener is added and after one was removed. */
  #tellInterest(name: string | symbol, isAdded: boolean): void {
    if (name !== 'plan' && name !== 'warning') return;
    const listens = isAdded || this.listenerCount(name) > 0;
    if (this.#listens[name] === listens) return;
    this.#listens[name] = listens;
    if (this.#hasToldListens) this.#tellListens();
  }

  get #isAlive(): boolean {
    return this.#state !== 'ended';
  }

  #tellListens(): void {
    this.#hasToldListens = true;
    this.#post({ kind: 'listen', ...this.#listens });
  }

  #post(message: ToPlanner): void {
    if (this.#isAlive) this.#parts.peer.post(message);
  }

  #tell(name: Told | 'exit' | 'onAttempt', tell: () => void): void {
    callListener(name, tell, (message) => this.#tell('warning', () => this.emit('warning', message)));
  }
}

function settle<T>(call: PendingCall<T>, reply: Promise<Reply<T>>): void {
  reply.then(
    (settled) => (settled.ok ? call.resolve(settled.value) : call.reject(decodeError(settled.error))),
    (error) => call.reject(isUncloneable(error) ? uncloneable(error) : decodeError(encodeError(error))),
  );
}

function isUncloneable(error: unknown): error is DOMException {
  return error instanceof DOMException && error.name === 'DataCloneError';
}

function uncloneable(error: DOMException): PlannerError {
  return new PlannerError('ERR_REQUEST_INVALID', `request must be plain data: ${error.message}`, { cause: error });
}
