/** Where `make chat` and `make trace` find the service, and how they read a trace of it. */
import { z } from 'zod';

const Value = z.union([
  z.object({ stringValue: z.string() }).transform((value) => value.stringValue),
  z.object({ intValue: z.coerce.number() }).transform((value) => value.intValue),
  z.object({ doubleValue: z.number() }).transform((value) => value.doubleValue),
  // A list or a yes: nothing of it is drawn.
  z.looseObject({}).transform(() => undefined),
]);

const Span = z.object({
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.int(),
  startTimeUnixNano: z.coerce.bigint(),
  endTimeUnixNano: z.coerce.bigint(),
  attributes: z.array(z.object({ key: z.string(), value: Value })),
  events: z.array(z.object({ name: z.string(), timeUnixNano: z.coerce.bigint() })),
  status: z.object({ code: z.int().optional() }),
});

/** OTLP JSON. */
const Trace = z.object({
  resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(Span) })) })),
});

const TraceList = z.object({
  traces: z.array(z.object({ traceId: z.string(), outcome: z.string().optional() })),
});

const ErrorBody = z.object({ error: z.object({ message: z.string() }) });

export type TraceSpan = z.infer<typeof Span>;

/** https://opentelemetry.io/docs/specs/otel/trace/api/#spankind in OTLP's numbers. */
const serverKind = 2;

export function serviceOrigin(env: NodeJS.ProcessEnv): string {
  return env['CHAT_URL'] || `http://127.0.0.1:${env['CHAT_PORT'] || 8000}`;
}

export function notAnswering(origin: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return `No chat service answers at ${origin} (${why}). Start it with \`make up\`.`;
}

/** The spans of a trace that is in the service's memory. @throws Error with a sentence for the person who asked */
export async function readTrace(env: NodeJS.ProcessEnv, id: string): Promise<TraceSpan[]> {
  const trace = await ask(env, `/api/traces/${encodeURIComponent(id)}`, Trace);
  return trace.resourceSpans.flatMap((resource) =>
    resource.scopeSpans.flatMap(({ spans }) => spans),
  );
}

/**
 * The same for a request that has just been answered: its outermost span ends when the last byte has left, which the client may
 * have seen by then. @throws Error with a sentence for the person who asked
 */
export async function readWholeTrace(env: NodeJS.ProcessEnv, id: string): Promise<TraceSpan[]> {
  const deadline = performance.now() + 2000;
  for (;;) {
    const isLate = performance.now() > deadline;
    try {
      const spans = await readTrace(env, id);
      if (isLate || spans.some(({ kind }) => kind === serverKind)) return spans;
    } catch (error) {
      if (isLate) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Of the last request that asked for an answer, else of the last at all. @throws Error as above, also where there is none */
export async function readLastTraceId(env: NodeJS.ProcessEnv): Promise<string> {
  const { traces } = await ask(env, '/api/traces?limit=500', TraceList);
  const last = traces.find(({ outcome }) => outcome !== undefined) ?? traces[0];
  if (last !== undefined) return last.traceId;
  throw new Error('There is no trace yet. Ask something first: make chat Q="Hello"');
}

async function ask<T extends z.ZodType>(
  env: NodeJS.ProcessEnv,
  path: string,
  schema: T,
): Promise<z.infer<T>> {
  const origin = serviceOrigin(env);
  const token = env['METRICS_TOKEN'];
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(origin + path, { headers }).catch((error: unknown) => {
    throw new Error(notAnswering(origin, error), { cause: error });
  });
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = schema.safeParse(body);
  if (response.ok && parsed.success) return parsed.data;
  const told = ErrorBody.safeParse(body).data?.error.message;
  throw new Error(told ?? `${origin}${path}: expected a trace, got status ${response.status}.`);
}
