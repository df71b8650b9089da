/** The bounded stores of recent traces, in memory and in a file, which answer alike. */
import {
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
} from '@opentelemetry/api';
import { TracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../../otel/traces/memory-store.ts';
import { toStored } from '../../../otel/traces/stored-span.ts';
import { openTraceFile } from '../../../otel/traces/trace-file.ts';
import { answerTrace, answerTraces, type TraceList } from '../../../otel/traces/traces-api.ts';
import type {
  TraceKeeper,
  TraceLimits,
  TracePage,
  TraceQuery,
} from '../../../otel/traces/traces.ts';
import { readSpans } from '../../support/otel/trace.ts';

interface Added {
  name: string;
  at?: number;
  millis?: number;
  failed?: boolean;
  outcome?: string;
  attributes?: Attributes;
}

const start = 1e12;
const folder = mkdtempSync(path.join(tmpdir(), 'traces-'));
let files = 0;

afterAll(() => rmSync(folder, { recursive: true }));

const kinds = {
  memory: createMemoryStore,
  file: createFileStoreHere,
} satisfies Record<string, (limits: TraceLimits) => Pick<TraceKeeper, 'store' | 'processor'>>;

/** The file without its worker thread, which takes half a second to start. */
function createFileStoreHere(limits: TraceLimits) {
  const file = openTraceFile(path.join(folder, `${(files += 1)}.db`), limits);
  const ended: ReadableSpan[] = [];
  const write = (): void => {
    const byTrace = Map.groupBy(ended.splice(0), (span) => span.spanContext().traceId);
    const json = (spans: ReadableSpan[]): string => JSON.stringify(spans.map(toStored));
    const batch = [...byTrace].map(([traceId, spans]) => ({ traceId, json: json(spans) }));
    file.add(batch, { 'service.name': 'test' });
  };
  return {
    store: {
      async list(query: TraceQuery = {}) {
        write();
        return file.list(query);
      },
      async get(traceId: string) {
        write();
        return file.get(traceId);
      },
    },
    processor: {
      onStart() {},
      onEnd: (span: ReadableSpan) => void ended.push(span),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
  };
}

describe.each(Object.entries(kinds))('a store in %s', (_, create) => {
  function createStore(limits: { traces?: number; bytes?: number } = {}) {
    const { store, processor } = create({ traces: 100, bytes: 1e9, ...limits });
    const provider = new TracerProvider({ spanProcessors: [processor] });
    const tracer = provider.getTracer('test');
    return {
      store,
      tracer,
      names: async (query: TraceQuery = {}): Promise<string[]> =>
        (await store.list({ limit: 1000, ...query })).traces.map(({ name }) => name),
      add: ({
        name,
        at = start,
        millis = 10,
        failed = false,
        outcome,
        attributes,
      }: Added): string => {
        const ending =
          outcome === undefined
            ? {}
            : { 'inference.outcome': outcome, 'inference.reason': `${outcome}_reason` };
        const options = { startTime: at, attributes: { ...ending, ...attributes } };
        const span = tracer.startSpan(name, options, ROOT_CONTEXT);
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end(at + millis);
        return span.spanContext().traceId;
      },
    };
  }

  describe('the list', () => {
    test('is newest first, with the columns of a table', async () => {
      const { store, add, names } = createStore();
      const traceId = add({ name: 'first', millis: 25, failed: true });
      add({ name: 'second' });
      expect(await names()).toEqual(['second', 'first']);
      expect((await store.list()).traces[1]).toEqual({
        traceId,
        name: 'first',
        startedAt: start,
        durationMillis: 25,
        failed: true,
        spans: 1,
      });
    });

    test('has the facts of a request: route, status, client, model, tokens, first token, phases, error', async () => {
      const { store, tracer } = createStore();
      const route = '/v1/chat/completions';
      const server = tracer.startSpan('POST', {
        startTime: start,
        attributes: {
          'http.route': route,
          'http.response.status_code': 400,
          'network.peer.address': '10.0.0.7',
        },
      });
      const chat = tracer.startSpan(
        'chat',
        {
          startTime: start,
          attributes: {
            'inference.client': '9f86d081884c7d65',
            'gen_ai.response.model': 'qwen',
            'gen_ai.usage.input_tokens': 7,
            'gen_ai.usage.output_tokens': 3,
            'inference.error.message': 'messages: expected an array.',
            'inference.error.param': 'messages',
            'inference.outcome': 'rejected',
            'inference.reason': 'bad_request',
          },
        },
        trace.setSpan(ROOT_CONTEXT, server),
      );
      const decode = tracer.startSpan(
        'decode',
        { startTime: start + 20 },
        trace.setSpan(ROOT_CONTEXT, chat),
      );
      decode.addEvent('first_token', start + 30);
      decode.end(start + 90);
      chat.end(start + 95);
      server.setStatus({ code: SpanStatusCode.ERROR });
      server.end(start + 100);
      expect((await store.list()).traces).toEqual([
        {
          traceId: server.spanContext().traceId,
          name: 'POST',
          startedAt: start,
          durationMillis: 100,
          failed: false,
          outcome: 'rejected',
          reason: 'bad_request',
          spans: 3,
          route,
          statusCode: 400,
          client: '9f86d081884c7d65',
          model: 'qwen',
          error: { message: 'messages: expected an array.', param: 'messages' },
          inputTokens: 7,
          outputTokens: 3,
          firstTokenMillis: 30,
          phases: { decode: 70 },
        },
      ]);
    });
  });

  describe('a query', () => {
    const { store, add, names } = createStore();
    const route = '/chat';
    for (let index = 0; index < 16; index += 1) {
      add({ name: `quick ${index}`, at: start + index * 1000, outcome: 'completed' });
    }
    add({ name: 'slow', millis: 9000, outcome: 'completed', attributes: { 'http.route': route } });
    add({ name: 'broken', failed: true, outcome: 'failed' });
    add({ name: 'left', millis: 8000, failed: true, outcome: 'cancelled' });
    add({
      name: 'refused',
      failed: true,
      outcome: 'rejected',
      attributes: {
        'http.route': route,
        'inference.client': 'key-1',
        'inference.error.message': 'Top_P: expected a number.',
        'inference.error.param': 'top_p',
      },
    });

    test.each<[TraceQuery, string[]]>([
      [{ filter: 'slow' }, ['left', 'slow']],
      [{ filter: 'slow', limit: 1 }, ['left']],
      [{ filter: 'failed' }, ['broken']],
      [{ filter: 'rejected' }, ['refused']],
      [{ filter: 'cancelled' }, ['left']],
      [{ route }, ['refused', 'slow']],
      [{ route, filter: 'slow' }, ['slow']],
      [{ client: 'key-1' }, ['refused']],
      [{ error: 'tOP_p' }, ['refused']],
      [{ error: 'expected a' }, ['refused']],
      [{ error: 'failed_reason' }, ['broken']],
      [{ error: "'%_" }, []],
      [{ from: start + 14_000, to: start + 15_000 }, ['quick 14']],
      [{ minMillis: 8000, maxMillis: 8500 }, ['left']],
      [{ sort: 'slowest', limit: 2 }, ['slow', 'left']],
    ])('%j finds %j', async (query, found) => {
      expect(await names(query)).toEqual(found);
    });

    test('counts what each filter would match under the same other conditions', async () => {
      const all = { all: 20, slow: 2, failed: 1, rejected: 1, cancelled: 1 };
      expect((await store.list({ filter: 'failed' })).counts).toEqual(all);
      const ofRoute = { all: 2, slow: 1, failed: 0, rejected: 1, cancelled: 0 };
      expect((await store.list({ route })).counts).toEqual(ofRoute);
    });

    test.each(['newest', 'slowest'] as const)('pages through all, %s first', async (sort) => {
      const paged: string[] = [];
      const read = async (query: TraceQuery): Promise<void> => {
        const { traces, next }: TracePage = await store.list({ sort, limit: 6, ...query });
        paged.push(...traces.map(({ name }) => name));
        if (next !== undefined) await read({ cursor: next });
      };
      await read({});
      expect(paged).toHaveLength(20);
      expect(paged).toEqual(await names({ sort }));
    });
  });

  test('a trace is OTLP JSON with its resource, or undefined', async () => {
    const { store, add } = createStore();
    const traceId = add({ name: 'chat', attributes: { text: 'x', list: ['a', 'b'] } });
    const json = (await store.get(traceId)) as Parameters<typeof readSpans>[0];
    expect(readSpans(json)).toMatchObject([
      { name: 'chat', startedAt: start, endedAt: start + 10, attributes: { text: 'x' } },
    ]);
    expect(JSON.stringify(json)).toContain('service.name');
    expect(await store.get('0'.repeat(32))).toBeUndefined();
  });

  test('a trace that a client continues in every request stops growing', async () => {
    const { store, tracer } = createStore();
    const caller = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: TraceFlags.SAMPLED,
    };
    const within = trace.setSpanContext(ROOT_CONTEXT, caller);
    for (let index = 0; index < 1000; index += 1) tracer.startSpan('again', {}, within).end();
    expect((await store.list()).traces).toMatchObject([{ spans: 256 }]);
  });

  describe('eviction keeps', () => {
    test('the newest, up to the number of traces', async () => {
      const { names, add } = createStore({ traces: 4 });
      for (let index = 0; index < 20; index += 1) add({ name: `trace ${index}` });
      expect(await names()).toHaveLength(4);
      expect((await names())[0]).toBe('trace 19');
    });

    test('slow and failed traces among the old, failed ones longest', async () => {
      const { names, add } = createStore({ traces: 4 });
      add({ name: 'failed', failed: true });
      add({ name: 'slow', millis: 9000 });
      for (let index = 0; index < 20; index += 1) {
        add({ name: `quick ${index}` });
        await names();
      }
      expect(await names()).toEqual([
        'quick 19',
        expect.stringMatching(/^quick/),
        'slow',
        'failed',
      ]);
    });

    test('the newest trace, even if all others failed', async () => {
      const { names, add } = createStore({ traces: 4 });
      for (let index = 0; index < 20; index += 1) add({ name: `failed ${index}`, failed: true });
      add({ name: 'quick' });
      expect((await names())[0]).toBe('quick');
      expect(await names()).toHaveLength(4);
    });

    test('the newest quarter, also if their spans end one by one', async () => {
      const { names, add, tracer } = createStore({ traces: 8 });
      for (let index = 0; index < 7; index += 1) add({ name: `slow ${index}`, millis: 9000 });
      const caller = {
        traceId: 'a'.repeat(32),
        spanId: 'b'.repeat(16),
        traceFlags: TraceFlags.SAMPLED,
      };
      const within = trace.setSpanContext(ROOT_CONTEXT, caller);
      for (let index = 0; index < 10; index += 1) {
        tracer.startSpan('quick', {}, within).end();
        await names();
      }
      add({ name: 'newest', millis: 9000 });
      expect((await names()).slice(0, 2)).toEqual(['newest', 'quick']);
      expect(await names()).toHaveLength(8);
    });

    test('no more than the maximum of bytes', async () => {
      const { names, add } = createStore({ bytes: 100_000 });
      for (let index = 0; index < 50; index += 1) {
        add({ name: `trace ${index}`, attributes: { text: 'x'.repeat(10_000) } });
      }
      expect((await names()).length).toBeLessThanOrEqual(9);
      expect((await names())[0]).toBe('trace 49');
    });
  });
});

describe('the HTTP responses', () => {
  const { store, processor } = createMemoryStore({ traces: 100, bytes: 1e9 });
  const tracer = new TracerProvider({ spanProcessors: [processor] }).getTracer('test');
  const traceIds = [1, 2, 3].map((index) => {
    const span = tracer.startSpan(`trace ${index}`, { startTime: start + index }, ROOT_CONTEXT);
    span.end(start + 2 * index);
    return span.spanContext().traceId;
  });
  const ask = (query: string) => answerTraces(store, new URLSearchParams(query));

  test('list the traces of the store, and the cursor of the next page', async () => {
    const { traces, counts } = await store.list();
    expect(await ask('')).toEqual({ status: 200, body: { traces, counts } });
    const first = (await ask('limit=2')).body as TraceList;
    expect(first.traces).toEqual(traces.slice(0, 2));
    const second = (await ask(`limit=2&cursor=${first.nextCursor}`)).body;
    expect(second).toEqual({ traces: traces.slice(2), counts });
  });

  test.each(['2001-09-09T01:46:40.002Z', String(start + 2)])(
    'understand the time %s',
    async (at) => {
      const { traces } = (await ask(`from=${at}`)).body as TraceList;
      expect(traces.map(({ name }) => name)).toEqual(['trace 3', 'trace 2']);
    },
  );

  test.each([
    ['limit=0', 'limit: expected an integer from 1 to 500'],
    ['limit=1.5', 'limit: expected an integer from 1 to 500'],
    ['limit=canary', 'limit: expected an integer from 1 to 500'],
    ['filter=canary', 'filter: expected one of all, slow, failed, rejected, cancelled'],
    ['sort=canary', 'sort: expected one of newest, slowest'],
    ['from=canary', 'from: expected a time such as 2026-01-31T08:00:00Z, or epoch milliseconds'],
    ['min_ms=canary', 'min_ms: expected a number >= 0'],
    ['cursor=canary', 'cursor: expected nextCursor of a page'],
  ])('name the expected values for %s, and do not echo the query', async (query, message) => {
    const { status, body } = await ask(query);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { message: expect.stringContaining(message) } });
    expect(JSON.stringify(body)).not.toContain('canary');
  });

  test('are one trace, or 404', async () => {
    const [traceId = ''] = traceIds;
    expect(await answerTrace(store, traceId.toUpperCase())).toEqual({
      status: 200,
      body: await store.get(traceId),
    });
    expect(await answerTrace(store, '../canary')).toMatchObject({ status: 404 });
  });

  test('are 503 while the store does not answer', async () => {
    const broken = () => Promise.reject(new Error('canary'));
    const answer = await answerTraces({ list: broken, get: broken }, new URLSearchParams());
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'not_ready' } } });
    expect(await answerTrace({ list: broken, get: broken }, 'a')).toMatchObject({ status: 503 });
  });
});
