/** GET /api/traces and /api/traces/{id}: the latest traces, from the store that otel/ keeps in memory. */
import { z } from 'zod';
import type { Telemetry } from '../../../otel/sdk.ts';
import { traceFilters, type OtlpTrace, type TraceSummary } from '../../../otel/traces/rows.ts';
import { answerTrace, answerTraces } from '../../../otel/traces/traces-api.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';

const Summary = z.object({
  traceId: z.string(),
  name: z.string(),
  startedAt: z.number().meta({ description: 'Epoch milliseconds.' }),
  durationMillis: z.number(),
  failed: z.boolean().meta({ description: 'Whether any span has the status ERROR.' }),
  outcome: z.string().optional(),
  reason: z.string().optional(),
  spans: z.int().meta({ description: 'Number of spans.' }),
});

const TraceList = z.object({ traces: z.array(Summary) });

const Attribute = z.object({ key: z.string(), value: z.looseObject({}) });
const nanos = z.string().meta({ description: 'Epoch nanoseconds.' });

// Loose objects: OTLP has more fields (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
const Span = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.int(),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes: z.array(Attribute),
  events: z.array(
    z.looseObject({ name: z.string(), timeUnixNano: nanos, attributes: z.array(Attribute) }),
  ),
  status: z.looseObject({ code: z.int() }),
});

const Trace = z.object({
  resourceSpans: z.array(
    z.looseObject({
      resource: z.looseObject({ attributes: z.array(Attribute) }),
      scopeSpans: z.array(z.looseObject({ spans: z.array(Span) })),
    }),
  ),
});

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

const exampleSummary: TraceSummary = {
  traceId,
  name: 'POST /chat',
  startedAt: 1_790_000_000_000.5,
  durationMillis: 420.25,
  failed: false,
  outcome: 'completed',
  reason: 'stop',
  spans: 6,
};

const exampleSpan = {
  traceId,
  spanId: '00f067aa0ba902b7',
  name: 'POST /chat',
  kind: 2,
  startTimeUnixNano: '1790000000000500000',
  endTimeUnixNano: '1790000000420750000',
  attributes: [{ key: 'http.route', value: { stringValue: '/chat' } }],
  events: [],
  status: { code: 0 },
} satisfies z.infer<typeof Span>;

const exampleTrace = {
  resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [exampleSpan] }] }],
} satisfies OtlpTrace & z.infer<typeof Trace>;

export function createTraceList({ traces }: Pick<Telemetry, 'traces'>): Endpoint {
  return {
    method: 'GET',
    path: '/api/traces',
    summary: 'The latest traces, newest first',
    access: 'console',
    parameters: {
      limit: { in: 'query', description: 'Maximum number of traces, 1 to 500.', example: '50' },
      filter: { in: 'query', description: `One of ${traceFilters.join(', ')}.`, example: 'all' },
    },
    answers: answersJson('TraceList', TraceList, { traces: [exampleSummary] }),
    errors: ['bad_request', 'unauthorized', 'forbidden'],
    handle(c) {
      const { searchParams } = new URL(c.req.url);
      const { status, body } = answerTraces(traces, searchParams);
      return c.json(body, status);
    },
  };
}

export function createTrace({ traces }: Pick<Telemetry, 'traces'>): Endpoint {
  return {
    method: 'GET',
    path: '/api/traces/:id',
    summary: 'One trace as OTLP JSON',
    access: 'console',
    parameters: {
      id: { in: 'path', description: 'The id of a trace still in memory.', example: traceId },
    },
    answers: answersJson('Trace', Trace, exampleTrace),
    errors: ['unauthorized', 'forbidden', 'not_found'],
    handle(c) {
      const { status, body } = answerTrace(traces, c.req.param('id') ?? '');
      return c.json(body, status);
    },
  };
}
