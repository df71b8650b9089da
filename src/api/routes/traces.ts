/** GET /api/traces and /api/traces/{id}: the recent traces, from the store of otel/. */
import { z } from 'zod';
import type { Telemetry } from '../../../otel/sdk.ts';
import type { OtlpTrace } from '../../../otel/traces/rows.ts';
import {
  answerTrace,
  answerTraces,
  traceParameters,
  type TraceList,
} from '../../../otel/traces/traces-api.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';

const Summary = z.object({
  traceId: z.string(),
  name: z.string(),
  startedAt: z.number().meta({ description: 'Epoch milliseconds.' }),
  durationMillis: z.number(),
  failed: z.boolean().meta({
    description:
      'Whether the generation failed; without one, whether any span has the status ERROR.',
  }),
  outcome: z.string().optional(),
  reason: z.string().optional(),
  spans: z.int().meta({ description: 'Number of spans.' }),
  route: z.string().optional(),
  statusCode: z.int().optional(),
  client: z.string().optional().meta({
    description: 'Id of the API key; without keys the address of the client.',
  }),
  model: z.string().optional(),
  error: z
    .object({ message: z.string(), param: z.string().optional() })
    .optional()
    .meta({ description: 'Why the request was refused or failed; `param` is the invalid field.' }),
  inputTokens: z.int().optional(),
  outputTokens: z.int().optional(),
  firstTokenMillis: z.number().optional().meta({ description: 'From the start of the trace.' }),
  phases: z
    .object({
      tokenize: z.number().optional(),
      queue: z.number().optional(),
      prefill: z.number().optional(),
      decode: z.number().optional(),
    })
    .optional()
    .meta({ description: 'Milliseconds of each phase.' }),
});

const List = z.object({
  traces: z.array(Summary),
  nextCursor: z.string().optional().meta({
    description: 'The value of `cursor` for the next page; absent on the last one.',
  }),
  counts: z
    .object({
      all: z.int(),
      slow: z.int(),
      failed: z.int(),
      rejected: z.int(),
      cancelled: z.int(),
    })
    .meta({ description: 'How many traces each filter matches, with the same other conditions.' }),
});

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

const exampleList: TraceList = {
  traces: [
    {
      traceId,
      name: 'POST /chat',
      startedAt: 1_790_000_000_000.5,
      durationMillis: 420.25,
      failed: false,
      outcome: 'completed',
      reason: 'stop',
      spans: 6,
      route: '/chat',
      statusCode: 200,
      client: '127.0.0.1',
      model: 'qwen2.5-0.5b-instruct',
      inputTokens: 30,
      outputTokens: 12,
      firstTokenMillis: 80.5,
      phases: { tokenize: 0.5, queue: 0.25, prefill: 79, decode: 335 },
    },
  ],
  nextCursor: '42_420.25',
  counts: { all: 51, slow: 6, failed: 0, rejected: 2, cancelled: 1 },
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
    summary: 'The recent traces, filtered and in pages',
    access: 'console',
    parameters: Object.fromEntries(
      Object.entries(traceParameters).map(([name, each]) => [name, { in: 'query', ...each }]),
    ),
    answers: answersJson('TraceList', List, exampleList),
    errors: ['bad_request', 'unauthorized', 'forbidden', 'not_ready'],
    async handle(c) {
      const { searchParams } = new URL(c.req.url);
      const { status, body } = await answerTraces(traces, searchParams);
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
      id: { in: 'path', description: 'The id of a recent trace.', example: traceId },
    },
    answers: answersJson('Trace', Trace, exampleTrace),
    errors: ['unauthorized', 'forbidden', 'not_found', 'not_ready'],
    async handle(c) {
      const { status, body } = await answerTrace(traces, c.req.param('id') ?? '');
      return c.json(body, status);
    },
  };
}
