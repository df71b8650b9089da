/** GET /api/traces and /api/traces/{id}: the last traces, which otel/ keeps in memory for the console. */
import { z } from 'zod';
import { traceFilters } from '../../../otel/traces/rows.ts';
import { answerTrace, answerTraces } from '../../../otel/traces/traces-api.ts';
import type { Telemetry } from '../../../otel/sdk.ts';
import type { Endpoint } from '../endpoint.ts';

export function createTraceList({ traces }: Pick<Telemetry, 'traces'>): Endpoint {
  return {
    method: 'GET',
    path: '/api/traces',
    summary: 'The last traces, newest first',
    access: 'console',
    parameters: {
      limit: { in: 'query', description: 'At most so many: 1 to 500.', example: '50' },
      filter: { in: 'query', description: `One of ${traceFilters.join(', ')}.`, example: 'all' },
    },
    answers: {
      'application/json': {
        name: 'TraceList',
        schema: z.object({ traces: z.array(z.looseObject({})) }),
        example: { traces: [] },
      },
    },
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
      id: {
        in: 'path',
        description: 'The id of a trace that is still in memory.',
        example: '4bf92f3577b34da6a3ce929d0e0e4736',
      },
    },
    answers: {
      'application/json': {
        name: 'Trace',
        schema: z.looseObject({ resourceSpans: z.array(z.looseObject({})) }),
        example: { resourceSpans: [] },
      },
    },
    errors: ['unauthorized', 'forbidden', 'not_found'],
    handle(c) {
      const { status, body } = answerTrace(traces, c.req.param('id') ?? '');
      return c.json(body, status);
    },
  };
}
