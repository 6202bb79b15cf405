import {
  type Attributes,
  type Context,
  context,
  type HrTime,
  ProxyTracerProvider,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Clock } from '../../shared/clock.ts';
import { defined } from '../../shared/defined.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { ResolvedEndpoint } from '../options/planner-options.ts';
import type { Plan } from './plan.ts';

/**
 * OpenTelemetry spans of plans, made with the API alone: users who want them register an SDK. A plan is a span below its
 * caller's, each expert (and each rung of the synthesis) a span below the plan, each model call a span below that, by the
 * conventions for generative AI. Spans are made after the plan has settled, from the times of its attempts, so that nothing is
 * traced while a deadline runs.
 *
 * A plan that shared the model work of another has no spans below it: the calls would be counted twice. Background calls (checks,
 * refreshes) belong to no plan and have none.
 */

const LIBRARY = 'conclave';

/** The caller's context; undefined if no spans are recorded, which costs about 10 ns, also for a cached plan. */
export function callerContext(): Context | undefined {
  const provider = trace.getTracerProvider();
  if (provider instanceof ProxyTracerProvider && provider.getDelegateTracer(LIBRARY) === undefined) return undefined;
  return context.active();
}

/** The facts about a model server in the spans of its calls. */
interface ServerFacts {
  readonly provider: string;
  readonly address: string;
  readonly port: number;
}

export interface PlanSpansParts {
  readonly clock: Clock;
  readonly options: { readonly endpoints: readonly ResolvedEndpoint[]; readonly domain: { readonly name: string } };
  readonly endpoints: ReadonlyMap<string, { readonly facts: { readonly kind: string } }>;
}

/** A plan that its caller ended. */
export interface EndedPlan extends Pick<Plan, 'agent' | 'attempts' | 'coalesced' | 'latencyMs'> {
  readonly code: string;
}

export class PlanSpans {
  readonly #parts: PlanSpansParts;
  readonly #domain: string;

  /** `domain`: its name in a planner of several. */
  constructor(parts: PlanSpansParts, domain = parts.options.domain.name) {
    this.#parts = parts;
    this.#domain = domain;
  }

  /** Records a plan that settles now. */
  settled(parent: Context, plan: Plan): void {
    this.#record(parent, plan, {
      'conclave.plan.id': plan.id,
      'conclave.plan.action': plan.action,
      'conclave.plan.source': plan.source,
      'conclave.plan.lateness_ms': plan.latenessMs,
      ...defined({ 'conclave.plan.model': plan.model }),
      ...(plan.why === undefined
        ? {}
        : { 'conclave.plan.why': plan.why.code, 'conclave.plan.why.message': plan.why.message }),
      ...defined({ 'conclave.plan.age_ms': plan.ageMs }),
    });
  }

  /** Records a plan that ends now without an answer. */
  ended(parent: Context, plan: EndedPlan): void {
    this.#record(parent, plan, {}, plan.code);
  }

  #record(
    parent: Context,
    plan: Pick<Plan, 'agent' | 'attempts' | 'coalesced' | 'latencyMs'>,
    more: Attributes,
    code = 'OK',
  ): void {
    const tracer = trace.getTracer(LIBRARY);
    const startMs = this.#parts.clock.wallNow() - plan.latencyMs;
    const attributes: Attributes = {
      'conclave.domain': this.#domain,
      'conclave.agent': plan.agent,
      'conclave.plan.coalesced': plan.coalesced,
      ...more,
    };
    const span = tracer.startSpan('plan', { attributes, startTime: hrTime(startMs) }, parent);
    // A sampler may have dropped it.
    if (span.isRecording() && !plan.coalesced) {
      const below = trace.setSpan(parent, span);
      for (const seat of seatsOf(plan.attempts)) this.#recordSeat(tracer, below, seat, startMs);
    }
    if (code !== 'OK') markFailed(span, code);
    span.end(hrTime(startMs + plan.latencyMs));
  }

  /** Records one expert, or one rung of the synthesis, with its calls, including retries and second tries. */
  #recordSeat(tracer: Tracer, parent: Context, attempts: readonly [Attempt, ...Attempt[]], originMs: number): void {
    const [{ step, role }] = attempts;
    const voted = attempts.find(({ code }) => code === 'OK');
    const attributes: Attributes = {
      'conclave.step': step,
      ...defined({ 'conclave.expert.role': role }),
      ...(voted?.action === undefined ? {} : { 'conclave.vote.action': voted.action }),
    };
    const startTime = hrTime(originMs + Math.min(...attempts.map(({ startMs }) => startMs)));
    const span = tracer.startSpan(role === undefined ? step : `${step} ${role}`, { attributes, startTime }, parent);
    const below = trace.setSpan(parent, span);
    for (const attempt of attempts) {
      if (wasCalled(attempt)) this.#recordCall(tracer, below, attempt, originMs);
      else
        span.addEvent(
          'conclave.not_called',
          { ...this.#subject(attempt), 'error.type': attempt.code },
          hrTime(originMs + endOf(attempt)),
        );
    }
    if (voted === undefined) markFailed(span, (attempts.at(-1) as Attempt).code);
    span.end(hrTime(originMs + Math.max(...attempts.map(endOf))));
  }

  #recordCall(tracer: Tracer, parent: Context, attempt: Attempt, originMs: number): void {
    const { model, code, promptTokens, completionTokens, estimated, modelAnswered, startMs, waitMs, firstTokenMs } =
      attempt;
    const attributes: Attributes = {
      ...this.#subject(attempt),
      'conclave.call.wait_ms': waitMs,
      ...(code === 'OK' ? { 'gen_ai.response.model': modelAnswered ?? model } : {}),
      ...defined({
        'gen_ai.usage.input_tokens': promptTokens,
        'gen_ai.usage.output_tokens': completionTokens,
        'conclave.usage.estimated': estimated,
      }),
    };
    const calledMs = originMs + startMs + waitMs;
    const settings = { kind: SpanKind.CLIENT, attributes, startTime: hrTime(calledMs) };
    const span = tracer.startSpan(`chat ${model}`, settings, parent);
    if (firstTokenMs !== undefined) span.addEvent('conclave.first_token', hrTime(calledMs + firstTokenMs));
    if (code !== 'OK') markFailed(span, code);
    span.end(hrTime(originMs + endOf(attempt)));
  }

  #subject({ model, endpoint }: Attempt): Attributes {
    const { provider, address, port } = this.#serverOf(endpoint);
    return {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': provider,
      'gen_ai.request.model': model,
      'server.address': address,
      'server.port': port,
      'conclave.endpoint': endpoint,
    };
  }

  /** The facts about an endpoint. Its kind may become known later than the endpoint itself. */
  #serverOf(endpoint: string): ServerFacts {
    const { options, endpoints } = this.#parts;
    const url = URL.parse(options.endpoints.find(({ name }) => name === endpoint)?.baseURL ?? '');
    const kind = endpoints.get(endpoint)?.facts.kind;
    return {
      // Each of them supports OpenAI's protocol.
      provider: kind === undefined || kind === 'unknown' ? 'openai' : kind,
      address: url?.hostname ?? endpoint,
      port: Number(url?.port || (url?.protocol === 'https:' ? 443 : 80)),
    };
  }
}

/** Marks a span as failed. The message is omitted, because it quotes the server. */
function markFailed(span: Span, code: string): void {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Groups the attempts by seat, in the order of their first. */
function seatsOf(attempts: readonly Attempt[]): [Attempt, ...Attempt[]][] {
  const seats = new Map<string, [Attempt, ...Attempt[]]>();
  for (const attempt of attempts) {
    const key = `${attempt.step} ${attempt.role ?? ''}`;
    const seat = seats.get(key);
    if (seat === undefined) seats.set(key, [attempt]);
    else seat.push(attempt);
  }
  return [...seats.values()];
}

/** Whether a call was made. Without one, an attempt has only waited. */
function wasCalled({ waitMs, latencyMs, queueMs, code }: Attempt): boolean {
  return code === 'OK' || queueMs !== undefined || waitMs < latencyMs;
}

function endOf({ startMs, latencyMs }: Attempt): number {
  return startMs + latencyMs;
}

/** Converts milliseconds since the epoch to seconds and nanoseconds: the API treats small numbers as times since the start. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
