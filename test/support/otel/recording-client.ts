/** A client that records how each of its requests ended, using only the response. */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { endings } from '../../../otel/names.ts';

export interface RecordedRequest {
  traceId: string;
  path: string;
  /** 499 when the client disconnected before the response headers. */
  status: number;
  /** Outcome and reason, such as `completed stop`; `/chat` answers plain text without a reason, so only `completed`. */
  ending: string;
  stream?: 'done' | 'error_frame' | 'client_gone';
  usage?: { input: number; cached: number; output: number };
}

export interface RequestPlan {
  path: string;
  body: unknown;
  key?: string;
  /**
   * When the client disconnects: before the response headers, after a number of text chunks, or when the promise resolves.
   * Undefined: the client reads the whole response.
   */
  disconnectAfter?: 'request' | number | Promise<void>;
}

interface Frame {
  error?: { code: string };
  choices?: { finish_reason: string | null; delta?: { content?: string }; text?: string }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details: { cached_tokens: number };
  };
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

export async function send(url: string, plan: RequestPlan): Promise<RecordedRequest> {
  const traceId = randomBytes(16).toString('hex');
  const headers: Record<string, string> = { traceparent: `00-${traceId}-${'1'.repeat(16)}-01` };
  if (plan.key !== undefined) headers['authorization'] = `Bearer ${plan.key}`;
  const exchange = plan.disconnectAfter === undefined ? readAll : disconnectEarly;
  return { traceId, path: plan.path, ...(await exchange(url, plan, headers)) };
}

type ObservedEnding = Omit<RecordedRequest, 'traceId' | 'path'>;

async function readAll(
  url: string,
  { path, body }: RequestPlan,
  headers: Record<string, string>,
): Promise<ObservedEnding> {
  const outgoing = request(url + path, { method: 'POST', headers, agent });
  outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  const status = response.statusCode ?? 0;
  const type = response.headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) return { status, ...readStream(text) };
  if (type.startsWith('text/plain')) return { status, ...readPlain(text) };
  return { status, ...readFrames([JSON.parse(text) as Frame]) };
}

/** Uses a bare socket, because the request must be fully written before the client disconnects. */
async function disconnectEarly(
  url: string,
  { path, body, disconnectAfter }: RequestPlan,
  headers: Record<string, string>,
): Promise<ObservedEnding> {
  const { hostname, port } = new URL(url);
  const text = JSON.stringify(body);
  const head = Object.entries({
    host: hostname,
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) =>
    socket.write(`POST ${path} HTTP/1.1\r\n${lines}\r\n${text}`, resolve),
  );
  if (disconnectAfter === 'request') {
    socket.destroy();
    return { status: 499, ending: 'cancelled client_gone' };
  }
  socket.setEncoding('utf8');
  if (disconnectAfter instanceof Promise) {
    socket.resume();
    await disconnectAfter;
    socket.destroy();
    return { status: 200, ending: 'cancelled client_gone', stream: 'client_gone' };
  }
  let received = '';
  for await (const chunk of socket) {
    received += chunk;
    const pieces = received.match(/"content":"[^"]/g)?.length ?? 0;
    if (pieces > 0 && pieces >= (disconnectAfter ?? 1)) {
      socket.destroy();
      return { status: 200, ending: 'cancelled client_gone', stream: 'client_gone' };
    }
    if (received.includes('"error"') || received.includes('[DONE]')) socket.end();
  }
  const status = Number(received.split(' ', 2)[1]);
  const frame = /\{"error":.*\}/.exec(received)?.[0] ?? '{}';
  const observed = readFrames([JSON.parse(frame) as Frame]);
  return { status, ...observed, ...(status === 200 ? { stream: 'error_frame' as const } : {}) };
}

function readStream(text: string): Omit<ObservedEnding, 'status'> {
  const data = text.split('\n').flatMap((line) => /^data: (.*)$/.exec(line)?.[1] ?? []);
  const done = data.at(-1) === '[DONE]';
  const frames = data.filter((each) => each !== '[DONE]').map((each) => JSON.parse(each) as Frame);
  return { ...readFrames(frames), stream: done ? 'done' : 'error_frame' };
}

/** An error is written in brackets on a line of its own. */
function readPlain(text: string): Omit<ObservedEnding, 'status'> {
  if (!/\n\[.*\]\n$/.test(text)) return { ending: 'completed', stream: 'done' };
  const reason = text.includes('CHAT_DEADLINE') ? 'deadline' : 'shutdown';
  return { ending: `cancelled ${reason}`, stream: 'error_frame' };
}

function readFrames(frames: readonly Frame[]): Omit<ObservedEnding, 'status'> {
  const code = frames.find(({ error }) => error !== undefined)?.error?.code;
  if (code !== undefined) return { ending: `${outcomeOf(code)} ${reasonOf(code)}` };
  const choices = frames.flatMap((frame) => frame.choices ?? []);
  const finish = choices.find(({ finish_reason: reason }) => reason !== null)?.finish_reason;
  const usage = frames.find((frame) => frame.usage)?.usage;
  return {
    ending: `completed ${finish}`,
    ...(usage === undefined
      ? {}
      : {
          usage: {
            input: usage.prompt_tokens,
            cached: usage.prompt_tokens_details.cached_tokens,
            output: usage.completion_tokens,
          },
        }),
  };
}

/** Telemetry has a reason of its own for a prompt that does not fit, where the API has OpenAI's code. */
function reasonOf(code: string): string {
  return code === 'context_length_exceeded' ? 'context_overflow' : code;
}

function outcomeOf(code: string): string {
  const cancelled: readonly string[] = endings.cancelled;
  const failed: readonly string[] = endings.failed;
  if (failed.includes(code)) return 'failed';
  return cancelled.includes(code) ? 'cancelled' : 'rejected';
}

export function closeConnections(): void {
  agent.destroy();
}
