/** The bounded store of recent traces. */
import { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { describe, expect, test } from 'vitest';
import { answerTrace, answerTraces } from '../../../otel/traces/traces-api.ts';
import { createTraceStore, type TraceStore } from '../../../otel/traces/traces.ts';
import { readSpans } from '../../support/otel/trace.ts';

function createStore(options: { traces?: number; bytes?: number }): {
  store: TraceStore;
  add: (trace: {
    name: string;
    millis?: number;
    failed?: boolean;
    text?: string;
    outcome?: string;
  }) => string;
  provider: TracerProvider;
} {
  const { store, processor } = createTraceStore({ traces: 100, bytes: 1e9, ...options });
  const provider = new TracerProvider({ spanProcessors: [processor] });
  const tracer = provider.getTracer('test');
  return {
    store,
    provider,
    add({ name, millis = 10, failed = false, text = '', outcome }) {
      const attributes =
        outcome === undefined
          ? { text }
          : { text, 'inference.outcome': outcome, 'inference.reason': 'why' };
      const span = tracer.startSpan(name, { startTime: 1e12, attributes }, ROOT_CONTEXT);
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(1e12 + millis);
      return span.spanContext().traceId;
    },
  };
}

const names = (store: TraceStore): string[] => store.list({ limit: 1000 }).map(({ name }) => name);

describe('the list', () => {
  test('is newest first, with the columns of a table', () => {
    const { store, add } = createStore({});
    const traceId = add({ name: 'first', millis: 25, failed: true });
    add({ name: 'second' });
    expect(names(store)).toEqual(['second', 'first']);
    expect(store.list()[1]).toEqual({
      traceId,
      name: 'first',
      startedAt: 1e12,
      durationMillis: 25,
      failed: true,
      spans: 1,
    });
  });

  test('names a trace after its root span', () => {
    const { store, provider } = createStore({});
    const tracer = provider.getTracer('test');
    const server = tracer.startSpan('POST /chat');
    const chat = tracer.startSpan('chat', {}, trace.setSpan(ROOT_CONTEXT, server));
    chat.end();
    server.end();
    expect(store.list()).toMatchObject([{ name: 'POST /chat', spans: 2 }]);
  });
});

describe('the filter', () => {
  const { store, add } = createStore({});
  for (let index = 0; index < 17; index += 1) add({ name: `quick ${index}` });
  add({ name: 'slow', millis: 9000, outcome: 'completed' });
  add({ name: 'broken', failed: true, outcome: 'failed' });
  add({ name: 'left', millis: 8000, failed: true, outcome: 'cancelled' });
  const filtered = (filter: 'slow' | 'failed' | 'cancelled', limit = 50): string[] =>
    store.list({ filter, limit }).map(({ name }) => name);

  test('slow: the slowest tenth, newest first', () => {
    expect(filtered('slow')).toEqual(['left', 'slow']);
    expect(filtered('slow', 1)).toEqual(['left']);
  });

  test('failed and cancelled: by how the generation ended', () => {
    expect(filtered('failed')).toEqual(['broken']);
    expect(filtered('cancelled')).toEqual(['left']);
    expect(store.list({ filter: 'cancelled' })).toMatchObject([
      { outcome: 'cancelled', reason: 'why', failed: false },
    ]);
  });
});

describe('the HTTP responses', () => {
  const { store, add } = createStore({});
  const traceId = add({ name: 'chat', failed: true });
  const ask = (query: string): ReturnType<typeof answerTraces> =>
    answerTraces(store, new URLSearchParams(query));

  test('list the traces of the store', () => {
    expect(ask('')).toEqual({ status: 200, body: { traces: store.list() } });
    expect(ask('filter=cancelled&limit=500')).toEqual({ status: 200, body: { traces: [] } });
  });

  test.each([
    ['limit=0', 'limit: expected an integer from 1 to 500'],
    ['limit=1.5', 'limit: expected an integer from 1 to 500'],
    ['limit=canary', 'limit: expected an integer from 1 to 500'],
    ['filter=canary', 'filter: expected one of all, slow, failed, cancelled'],
  ])('name the expected values for %s, and do not echo the query', (query, message) => {
    const { status, body } = ask(query);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { message: expect.stringContaining(message) } });
    expect(JSON.stringify(body)).not.toContain('canary');
  });

  test('are one trace, or 404', () => {
    expect(answerTrace(store, traceId)).toEqual({ status: 200, body: store.get(traceId) });
    expect(answerTrace(store, '../canary')).toMatchObject({ status: 404 });
  });
});

describe('a trace', () => {
  test('is OTLP JSON', () => {
    const { store, add } = createStore({});
    const json = store.get(add({ name: 'chat', text: 'x' }));
    expect(readSpans(json as Parameters<typeof readSpans>[0])).toMatchObject([
      { name: 'chat', startedAt: 1e12, endedAt: 1e12 + 10, attributes: { text: 'x' } },
    ]);
  });

  test('that is unknown is undefined', () => {
    expect(createStore({}).store.get('0'.repeat(32))).toBeUndefined();
  });

  test('that a client continues in every request stops growing', () => {
    const { store, provider } = createStore({});
    const tracer = provider.getTracer('test');
    const caller = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: TraceFlags.SAMPLED,
    };
    const within = trace.setSpanContext(ROOT_CONTEXT, caller);
    for (let index = 0; index < 1000; index += 1) tracer.startSpan('again', {}, within).end();
    expect(store.list()).toMatchObject([{ spans: 256 }]);
  });
});

describe('eviction keeps', () => {
  test('the newest, up to the number of traces', () => {
    const { store, add } = createStore({ traces: 4 });
    for (let index = 0; index < 20; index += 1) add({ name: `trace ${index}` });
    expect(names(store)).toHaveLength(4);
    expect(names(store)[0]).toBe('trace 19');
  });

  test('slow and failed traces among the old, failed ones longest', () => {
    const { store, add } = createStore({ traces: 4 });
    add({ name: 'failed', failed: true });
    add({ name: 'slow', millis: 9000 });
    for (let index = 0; index < 20; index += 1) add({ name: `quick ${index}` });
    expect(names(store)).toEqual(['quick 19', expect.stringMatching(/^quick/), 'slow', 'failed']);
  });

  test('the newest trace, even if all others failed', () => {
    const { store, add } = createStore({ traces: 4 });
    for (let index = 0; index < 20; index += 1) add({ name: `failed ${index}`, failed: true });
    add({ name: 'quick' });
    expect(names(store)).toEqual(['quick', 'failed 19', 'failed 18', 'failed 17']);
  });

  test('no more than the maximum of bytes', () => {
    const { store, add } = createStore({ bytes: 100_000 });
    for (let index = 0; index < 50; index += 1)
      add({ name: `trace ${index}`, text: 'x'.repeat(10_000) });
    expect(names(store).length).toBeLessThanOrEqual(5);
    expect(names(store)[0]).toBe('trace 49');
  });
});
