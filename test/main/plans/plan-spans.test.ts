import {
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withRequestContext } from '../../../src/main/faces/http/request-context.ts';
import { callerContext } from '../../../src/main/plans/plan-spans.ts';
import { drive, flush } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

const exporter = new InMemorySpanExporter();
let contexts: AsyncLocalStorageContextManager;

/** As an application does that wants spans. */
function register(processor: SpanProcessor = new SimpleSpanProcessor(exporter)): void {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
}

beforeEach(() => {
  contexts = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contexts);
});
afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
  exporter.reset();
});

function spans(): ReadableSpan[] {
  return exporter.getFinishedSpans();
}
function named(name: string): ReadableSpan[] {
  return spans().filter((span) => span.name === name);
}
function only(name: string): ReadableSpan {
  const [span, ...more] = named(name);
  expect(more).toEqual([]);
  expect(span, name).toBeDefined();
  return span as ReadableSpan;
}
const startOf = ({ startTime: [s, ns] }: ReadableSpan): number => s * 1_000 + ns / 1e6;
const endOf = ({ endTime: [s, ns] }: ReadableSpan): number => s * 1_000 + ns / 1e6;
const parentOf = ({ parentSpanContext }: ReadableSpan): string | undefined => parentSpanContext?.spanId;

describe('spans of a plan', () => {
  test('are a tree: the plan below its caller, experts below the plan, calls below who made them', async () => {
    register();
    await using under = await makePlanner(({ role }) => ({
      kind: 'answers',
      action: role === 'one' ? 'flee' : 'block',
      afterMs: role === 'one' ? 20 : 30,
    }));
    const caller = trace.getTracer('game').startSpan('frame');
    const { plan } = context.with(trace.setSpan(context.active(), caller), () => ({
      plan: under.planner.plan(request()),
    }));
    const { id, action, source } = await drive(under.clock, plan);
    caller.end();
    const top = only('plan');
    expect(parentOf(top)).toBe(caller.spanContext().spanId);
    expect(top.attributes).toMatchObject({
      'conclave.plan.id': id,
      'conclave.plan.action': action,
      'conclave.plan.source': source,
      'conclave.agent': 'tester',
      'conclave.domain': 'test',
      'conclave.plan.coalesced': false,
    });
    const [one, two, synthesis] = [only('expert one'), only('expert two'), only('synthesis')];
    for (const seat of [one, two, synthesis]) expect(parentOf(seat)).toBe(top.spanContext().spanId);
    expect(one.attributes).toMatchObject({ 'conclave.expert.role': 'one', 'conclave.vote.action': 'flee' });
    const parents = [...named('chat e'), ...named('chat a')].map(parentOf);
    expect(parents).toEqual([one, two, synthesis].map((seat) => seat.spanContext().spanId));
  });

  test('of a plan that no model decided say why', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'errors', code: 'ERR_MODEL_REFUSED' }));
    await drive(under.clock, under.planner.plan(request()));
    expect(only('plan').attributes).toMatchObject({
      'conclave.plan.source': 'heuristic',
      'conclave.plan.why': 'unreachable',
      'conclave.plan.why.message': 'nothing listens at the address of fake',
    });
  });

  test('have the times that the plan and its attempts tell', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 20 }));
    const startedAt = under.clock.wallNow();
    const plan = await drive(under.clock, under.planner.plan(request()));
    const top = only('plan');
    expect(startOf(top)).toBeCloseTo(startedAt, 3);
    expect(endOf(top) - startOf(top)).toBeCloseTo(plan.latencyMs, 3);
    const calls = [...named('chat e'), ...named('chat a')];
    expect(calls.map((call) => endOf(call) - startedAt)).toEqual(
      plan.attempts.map(({ startMs, latencyMs }) => expect.closeTo(startMs + latencyMs, 3)),
    );
    expect(calls.map((call) => startOf(call) - startedAt)).toEqual(
      plan.attempts.map(({ startMs, waitMs }) => expect.closeTo(startMs + waitMs, 3)),
    );
    const seat = only('synthesis');
    expect(startOf(seat)).toBeLessThanOrEqual(startOf(only('chat a')));
    expect(endOf(seat)).toBe(endOf(only('chat a')));
  });

  test('of a call begin when it has a slot, not when it began to wait for one', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 20 }), {
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
    });
    const startedAt = under.clock.wallNow();
    await drive(under.clock, under.planner.plan(request()));
    const [first, second] = named('chat e').map((call) => startOf(call) - startedAt);
    expect([first, second]).toEqual([expect.closeTo(0, 3), expect.closeTo(20, 3)]);
    expect(startOf(only('expert two')) - startedAt).toBeCloseTo(0, 3);
  });

  test('of calls follow the conventions for generative AI, and of failed ones tell the code but no message', async () => {
    register();
    await using under = await makePlanner(({ role }) =>
      role === 'one'
        ? { kind: 'errors', code: 'ERR_MODEL_STATUS', afterMs: 5 }
        : { kind: 'answers', action: 'flee', afterMs: 5 },
    );
    await drive(under.clock, under.planner.plan(request()));
    const [failed, good] = named('chat e') as [ReadableSpan, ReadableSpan];
    expect(good.kind).toBe(SpanKind.CLIENT);
    expect(good.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'e',
      'gen_ai.response.model': 'e',
      'server.address': '127.0.0.1',
      'server.port': 9,
      'conclave.endpoint': 'fake',
    });
    expect(failed.attributes['error.type']).toBe('ERR_MODEL_STATUS');
    expect(failed.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(failed.attributes['gen_ai.response.model']).toBeUndefined();
    expect(only('expert one').attributes['error.type']).toBe('ERR_MODEL_STATUS');
    expect(Object.keys(failed.attributes).filter((key) => /message|exception/.test(key))).toEqual([]);
  });

  test('that shared the work of another one have no calls below them', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 20 }));
    const both = Promise.all([under.planner.plan(request()), under.planner.plan(request({ agent: 'other' }))]);
    await drive(under.clock, both);
    const tops = named('plan');
    expect(tops.map(({ attributes }) => attributes['conclave.plan.coalesced'])).toEqual([false, true]);
    const [first] = tops.map((top) => top.spanContext().spanId);
    expect(named('expert one').map(parentOf)).toEqual([first]);
    expect(named('chat e')).toHaveLength(2);
  });

  test('from the cache are one span, below the caller', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 5 }));
    await drive(under.clock, under.planner.plan(request()));
    exporter.reset();
    const caller = trace.getTracer('game').startSpan('frame');
    await context.with(trace.setSpan(context.active(), caller), () => under.planner.plan(request()));
    expect(spans().map(({ name }) => name)).toEqual(['plan']);
    expect(parentOf(only('plan'))).toBe(caller.spanContext().spanId);
    expect(only('plan').attributes).toMatchObject({ 'conclave.plan.source': 'cache' });
  });

  test('that their caller ended tell so', async () => {
    register();
    await using under = await makePlanner(() => ({ kind: 'stuck' }));
    const controller = new AbortController();
    const plan = under.planner.plan(request(), { signal: controller.signal });
    await flush();
    controller.abort();
    await expect(plan).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED' });
    expect(only('plan').attributes['error.type']).toBe('ERR_PLAN_CANCELLED');
    expect(only('plan').status.code).toBe(SpanStatusCode.ERROR);
  });
});

describe('who takes spans', () => {
  test('is looked at with each plan: nobody, then somebody', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 5 }));
    expect(callerContext()).toBeUndefined();
    await drive(under.clock, under.planner.plan(request()));
    expect(spans()).toEqual([]);
    register();
    expect(callerContext()).toBeDefined();
    await under.planner.plan(request());
    expect(spans()).toHaveLength(1);
  });

  test('and fails at it has no say in the plan, which is told as a warning', async () => {
    const broken = {
      onStart: (_span: Span) => {},
      onEnd: () => {
        throw new Error('the exporter is gone');
      },
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    register(broken as unknown as SpanProcessor);
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 5 }));
    const warnings: string[] = [];
    under.planner.on('warning', (message) => warnings.push(message));
    expect(await drive(under.clock, under.planner.plan(request()))).toMatchObject({ action: 'flee' });
    expect(warnings.join()).toContain('the exporter is gone');
  });
});

describe('the context of a request', () => {
  const REMOTE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
  const headers = { traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-01` };

  /** As much of W3C's as the tests need; the API brings none. */
  const propagator: TextMapPropagator = {
    inject: () => {},
    fields: () => ['traceparent'],
    extract: (into, carrier: { traceparent?: string }) =>
      carrier.traceparent === undefined ? into : trace.setSpanContext(into, { ...REMOTE, isRemote: true }),
  };

  test('is that of its headers, so that plans made in it are children of the caller elsewhere', async () => {
    register();
    propagation.setGlobalPropagator(propagator);
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 5 }));
    await drive(
      under.clock,
      withRequestContext(headers, () => under.planner.plan(request())),
    );
    expect(only('plan').spanContext().traceId).toBe(REMOTE.traceId);
    expect(parentOf(only('plan'))).toBe(REMOTE.spanId);
  });

  test('is left alone where there is no propagator, no header, or a span already', () => {
    const seen: unknown[] = [];
    const look = (): void => void seen.push(trace.getSpanContext(context.active())?.spanId);
    withRequestContext(headers, look);
    propagation.setGlobalPropagator(propagator);
    withRequestContext({}, look);
    const own = trace.wrapSpanContext({ ...REMOTE, spanId: '00f067aa0ba902b7' });
    context.with(trace.setSpan(context.active(), own), () => withRequestContext(headers, look));
    expect(seen).toEqual([undefined, undefined, '00f067aa0ba902b7']);
  });
});
