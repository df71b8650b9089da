/** The client of the chat service in `make chat` and `make trace`. */
import { z } from 'zod';
import { toWaterfall, type OtlpTrace, type Waterfall } from '../../otel/traces/rows.ts';
import { explainFetchFailure } from '../kit/fetch-failure.ts';
import { pick } from './language.ts';

const Trace = z.custom<OtlpTrace>(
  (body) => z.object({ resourceSpans: z.array(z.unknown()) }).safeParse(body).success,
);

const TraceList = z.object({
  traces: z.array(z.object({ traceId: z.string(), outcome: z.string().optional() })),
});

const ErrorBody = z.object({ error: z.object({ message: z.string() }) });

export const origin =
  process.env['CHAT_URL'] || `http://127.0.0.1:${process.env['CHAT_PORT'] || 8000}`;

export function notAnswering(error: unknown): string {
  const reason = explainFetchFailure(error);
  return pick({
    en: `No chat service answers at ${origin} (${reason}). Start it with \`make up\`.`,
    zh: `${origin} 没有对话服务响应（${reason}）。请运行 make up 启动。`,
  });
}

/** @throws Error for the terminal, if the service does not answer or no longer has the trace. */
export async function readTrace(id: string): Promise<Waterfall> {
  return toWaterfall(await ask(`/api/traces/${encodeURIComponent(id)}`, Trace));
}

/**
 * Like `readTrace`, for a request that has just been answered. Waits up to 2 s for the server span, which may end after the
 * client has read the last byte.
 */
export async function readWholeTrace(id: string): Promise<Waterfall> {
  const deadline = performance.now() + 2000;
  for (;;) {
    const isLate = performance.now() > deadline;
    try {
      const trace = await readTrace(id);
      if (isLate || trace.isWhole) return trace;
    } catch (error) {
      if (isLate) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The latest trace with a generation, else the latest trace. @throws Error for the terminal, also if there is no trace. */
export async function readLastTraceId(): Promise<string> {
  const { traces } = await ask('/api/traces?limit=500', TraceList);
  const last = traces.find(({ outcome }) => outcome !== undefined) ?? traces[0];
  if (last !== undefined) return last.traceId;
  throw new Error(
    pick({
      en: 'There is no trace yet. Ask something first: make chat Q="Hello"',
      zh: '还没有链路。请先提问：make chat Q="你好"',
    }),
  );
}

async function ask<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>> {
  const token = process.env['METRICS_TOKEN'];
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(origin + path, { headers }).catch((error: unknown) => {
    throw new Error(notAnswering(error), { cause: error });
  });
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = schema.safeParse(body);
  if (response.ok && parsed.success) return parsed.data;
  const message = ErrorBody.safeParse(body).data?.error.message;
  const url = origin + path;
  const unexpected = {
    en: `${url}: expected a trace, got status ${response.status}.`,
    zh: `${url}：没有返回链路数据，状态码为 ${response.status}。`,
  };
  throw new Error(message ?? pick(unexpected));
}
