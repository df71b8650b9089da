/** A client that keeps its own books: every request it makes becomes one entry, from what came over the wire alone. */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { endings } from '../../../otel/names.ts';

export interface Entry {
  traceId: string;
  path: string;
  /** 499 for a request that was left before its headers. */
  status: number;
  /** `completed stop`; for `/chat`, whose text does not say, `completed`. */
  ending: string;
  stream?: 'done' | 'error_frame' | 'client_gone';
  usage?: { input: number; cached: number; output: number };
}

export interface Order {
  path: string;
  body: unknown;
  key?: string;
  /** Leaves before the headers, after so many pieces of text, or then; without it, reads to the end. */
  leaveAfter?: 'request' | number | Promise<void>;
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

export async function place(url: string, order: Order): Promise<Entry> {
  const traceId = randomBytes(16).toString('hex');
  const headers: Record<string, string> = { traceparent: `00-${traceId}-${'1'.repeat(16)}-01` };
  if (order.key !== undefined) headers['authorization'] = `Bearer ${order.key}`;
  const told = order.leaveAfter === undefined ? readAll : leave;
  return { traceId, path: order.path, ...(await told(url, order, headers)) };
}

type Told = Omit<Entry, 'traceId' | 'path'>;

async function readAll(
  url: string,
  { path, body }: Order,
  headers: Record<string, string>,
): Promise<Told> {
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

/** Over a bare socket: what was written has left before the connection ends, so the request has arrived. */
async function leave(
  url: string,
  { path, body, leaveAfter }: Order,
  headers: Record<string, string>,
): Promise<Told> {
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
  if (leaveAfter === 'request') {
    socket.destroy();
    return { status: 499, ending: 'cancelled client_gone' };
  }
  socket.setEncoding('utf8');
  if (leaveAfter instanceof Promise) {
    socket.resume();
    await leaveAfter;
    socket.destroy();
    return { status: 200, ending: 'cancelled client_gone', stream: 'client_gone' };
  }
  let received = '';
  for await (const chunk of socket) {
    received += chunk;
    const pieces = received.match(/"content":"[^"]/g)?.length ?? 0;
    if (pieces > 0 && pieces >= (leaveAfter ?? 1)) {
      socket.destroy();
      return { status: 200, ending: 'cancelled client_gone', stream: 'client_gone' };
    }
    if (received.includes('"error"') || received.includes('[DONE]')) socket.end();
  }
  const status = Number(received.split(' ', 2)[1]);
  const frame = /\{"error":.*\}/.exec(received)?.[0] ?? '{}';
  const told = readFrames([JSON.parse(frame) as Frame]);
  return { status, ...told, ...(status === 200 ? { stream: 'error_frame' as const } : {}) };
}

function readStream(text: string): Omit<Told, 'status'> {
  const data = text.split('\n').flatMap((line) => /^data: (.*)$/.exec(line)?.[1] ?? []);
  const done = data.at(-1) === '[DONE]';
  const frames = data.filter((each) => each !== '[DONE]').map((each) => JSON.parse(each) as Frame);
  return { ...readFrames(frames), stream: done ? 'done' : 'error_frame' };
}

/** An error stands in brackets on a line of its own. */
function readPlain(text: string): Omit<Told, 'status'> {
  if (!/\n\[.*\]\n$/.test(text)) return { ending: 'completed', stream: 'done' };
  const reason = text.includes('CHAT_DEADLINE') ? 'deadline' : 'shutdown';
  return { ending: `cancelled ${reason}`, stream: 'error_frame' };
}

function readFrames(frames: readonly Frame[]): Omit<Told, 'status'> {
  const code = frames.find(({ error }) => error !== undefined)?.error?.code;
  if (code !== undefined) return { ending: `${outcomeOf(code)} ${code}` };
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

function outcomeOf(code: string): string {
  const cancelled: readonly string[] = endings.cancelled;
  const failed: readonly string[] = endings.failed;
  if (failed.includes(code)) return 'failed';
  return cancelled.includes(code) ? 'cancelled' : 'rejected';
}

export function closeConnections(): void {
  agent.destroy();
}
