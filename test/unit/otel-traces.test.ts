/** The bounded store of recent traces. */
import { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { describe, expect, test } from 'vitest';
import { createTraceStore, type TraceStore } from '../../otel/traces.ts';
import { readSpans } from '../support/otel-trace.ts';

function createStore(options: { traces?: number; bytes?: number }): {
  store: TraceStore;
  add: (trace: { name: string; millis?: number; failed?: boolean; text?: string }) => string;
  provider: TracerProvider;
} {
  const { store, processor } = createTraceStore({ traces: 100, bytes: 1e9, ...options });
  const provider = new TracerProvider({ spanProcessors: [processor] });
  const tracer = provider.getTracer('test');
  return {
    store,
    provider,
    add({ name, millis = 10, failed = false, text = '' }) {
      const span = tracer.startSpan(name, { startTime: 1e12, attributes: { text } }, ROOT_CONTEXT);
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(1e12 + millis);
      return span.spanContext().traceId;
    },
  };
}

const names = (store: TraceStore): string[] => store.list({ limit: 1000 }).map(({ name }) => name);

describe('the list', () => {
  test('is newest first, with what a table shows', () => {
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

  test('names a trace after its outermost span', () => {
    const { store, provider } = createStore({});
    const tracer = provider.getTracer('test');
    const server = tracer.startSpan('POST /chat');
    const chat = tracer.startSpan('chat', {}, trace.setSpan(ROOT_CONTEXT, server));
    chat.end();
    server.end();
    expect(store.list()).toMatchObject([{ name: 'POST /chat', spans: 2 }]);
  });
});

describe('a trace', () => {
  test('is answered as OTLP JSON', () => {
    const { store, add } = createStore({});
    const json = store.get(add({ name: 'chat', text: 'x' }));
    expect(readSpans(json as Parameters<typeof readSpans>[0])).toMatchObject([
      { name: 'chat', startedAt: 1e12, endedAt: 1e12 + 10, attributes: { text: 'x' } },
    ]);
  });

  test('that is not here is undefined', () => {
    expect(createStore({}).store.get('0'.repeat(32))).toBeUndefined();
  });

  test('that a caller uses for everything stops growing', () => {
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

describe('what stays when there are too many', () => {
  test('the newest, up to the number of traces', () => {
    const { store, add } = createStore({ traces: 4 });
    for (let index = 0; index < 20; index += 1) add({ name: `trace ${index}` });
    expect(names(store)).toHaveLength(4);
    expect(names(store)[0]).toBe('trace 19');
  });

  test('slow and failed ones among the old, failed ones longest', () => {
    const { store, add } = createStore({ traces: 4 });
    add({ name: 'failed', failed: true });
    add({ name: 'slow', millis: 9000 });
    for (let index = 0; index < 20; index += 1) add({ name: `quick ${index}` });
    expect(names(store)).toEqual(['quick 19', expect.stringMatching(/^quick/), 'slow', 'failed']);
  });

  test('the newest trace, even among nothing but failures', () => {
    const { store, add } = createStore({ traces: 4 });
    for (let index = 0; index < 20; index += 1) add({ name: `failed ${index}`, failed: true });
    add({ name: 'quick' });
    expect(names(store)).toEqual(['quick', 'failed 19', 'failed 18', 'failed 17']);
  });

  test('no more than the bytes they may take', () => {
    const { store, add } = createStore({ bytes: 100_000 });
    for (let index = 0; index < 50; index += 1)
      add({ name: `trace ${index}`, text: 'x'.repeat(10_000) });
    expect(names(store).length).toBeLessThanOrEqual(5);
    expect(names(store)[0]).toBe('trace 49');
  });
});
