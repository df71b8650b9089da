/** Clients that leave, read slowly, fall silent or send slowly, while others ask as usual. */
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { median, percentile } from '../../bench/statistics.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { writeEndlessModel } from '../../support/engine/host.ts';
import { until } from '../../support/until.ts';
import { random } from '../random.ts';
import { readPid } from './readings.ts';
import { claim, note, type Row, type Section } from './section.ts';

const others = 3;
/** Others may be this much slower: requests that compute beside them take their share. */
const slowerFactor = 1.25;
const leavers = Number(process.env['LEAVERS'] ?? 1000);
const atOnce = 20;

export const laggards: Section = {
  title: 'Leavers and laggards',
  introduction: `${others} clients ask one short question after the other, first alone, then beside each crowd. 8 sequences. A crowd leaks nothing when descriptors, running requests and occupied sequences are as before, and the memory of both processes is at most 10 % larger. A crowd that computes comes three times, and is judged the last time: heaps, pools and the cache of prefixes grow to their size before.`,
  columns: ['claim', 'measured'],
  parts: { crowds: runCrowds },
};

interface Crowd {
  name: string;
  /** Whether it lets the engine compute, so that others wait for their share. */
  computes: boolean;
  run(port: number): Promise<string>;
}

const crowds: readonly Crowd[] = [
  {
    name: `${leavers} clients that leave at a random byte of their request or answer, ${atOnce} at a time`,
    computes: true,
    run: (port) => leaveAll(port, leavers),
  },
  {
    name: '100 streams of 200 tokens whose clients read 16 bytes in 100 ms',
    computes: true,
    run: (port) =>
      hold(port, 100, chatRequest({ stream: true, max_tokens: 200 }), { seconds: 15, read: 16 }),
  },
  {
    name: '300 sockets that are opened, and send and close nothing',
    computes: false,
    run: (port) => hold(port, 300, '', { seconds: 10 }),
  },
  {
    name: '200 clients that send half a request and fall silent',
    computes: false,
    run: (port) => hold(port, 200, chatRequest({}).slice(0, -20), { seconds: 10 }),
  },
  {
    name: '500 clients that send a byte of their headers every second (slowloris), until the service disconnects them',
    computes: false,
    run: (port) =>
      hold(port, 500, 'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n', {
        seconds: 100,
        drip: 'x',
      }),
  },
];

async function runCrowds(): Promise<Row[]> {
  const modelPath = writeEndlessModel();
  const service = await startChatService({
    CHAT_MODEL: modelPath,
    CHAT_SEQUENCES: '8',
    CHAT_CONTEXT: '2048',
    TRACES_DB: path.join(path.dirname(modelPath), 'traces.db'),
  });
  try {
    const rows: Row[] = [];
    const port = Number(new URL(service.url).port);
    for (const crowd of crowds) {
      // Heaps, pools and the cache of prefixes grow to their size at first.
      for (let round = 0; crowd.computes && round < 2; round++) await crowd.run(port);
      const alone = await askFor(service, 4000);
      const before = await settle(service);
      let beside: number[] = [];
      const ended = crowd.run(port);
      const stop = new AbortController();
      const asking = askUntil(service, stop.signal).then((times) => (beside = times));
      const told = await ended;
      stop.abort();
      await asking;
      const after = await settle(service);
      rows.push(
        judgeSpeed(crowd, alone, beside),
        judgeLeaks(crowd, before, after),
        note(`… ${crowd.name}`, told),
      );
    }
    return rows;
  } finally {
    await service.stop();
    rmSync(path.dirname(modelPath), { recursive: true });
  }
}

function judgeSpeed(
  { name, computes }: Crowd,
  alone: readonly number[],
  beside: readonly number[],
): Row {
  const show = (times: readonly number[]): string =>
    `median ${median(times).toFixed(0)}, p99 ${percentile(times, 99).toFixed(0)} ms`;
  const measured = `alone ${show(alone)}; beside them ${show(beside)} (${beside.length} answers)`;
  if (computes) return note(`others beside ${name}, which compute too`, measured);
  const isAsFast = median(beside) <= slowerFactor * median(alone);
  return claim(`others are not slowed by ${name}`, measured, isAsFast);
}

interface Held {
  api: ReturnType<typeof readPid>;
  engine: ReturnType<typeof readPid>;
  active: number;
}

function judgeLeaks({ name }: Crowd, before: Held, after: Held): Row {
  const megabytes = ({ api, engine }: Held): string =>
    `${(api.rssBytes / 1e6).toFixed(0)} + ${(engine.rssBytes / 1e6).toFixed(0)} MB`;
  const descriptors = ({ api, engine }: Held): string =>
    `${api.descriptors} + ${engine.descriptors}`;
  const grown =
    (after.api.rssBytes + after.engine.rssBytes) / (before.api.rssBytes + before.engine.rssBytes);
  return claim(
    `nothing leaks after ${name}`,
    `descriptors ${descriptors(before)} → ${descriptors(after)}, memory ${megabytes(before)} → ${megabytes(after)}, ${after.active} running`,
    after.active === 0 && grown < 1.1 && after.api.descriptors <= before.api.descriptors + 4,
  );
}

/** Waits until nothing runs and the connections of the crowd are closed. */
async function settle(service: ChatService): Promise<Held> {
  const count = async (name: string): Promise<number> => (await service.sample(name)) ?? 0;
  const read = async (): Promise<Held> => ({
    api: readPid(service.process.pid!),
    engine: readPid(service.enginePid()),
    active: (await count('inference_sequences_active')) + (await count('inference_queue_depth')),
  });
  await until(async () => (await read()).active === 0, 30).catch(() => {});
  await pause(2000);
  return read();
}

async function askFor(service: ChatService, millis: number): Promise<number[]> {
  return askUntil(service, AbortSignal.timeout(millis));
}

/** Milliseconds of each answer of the others. */
async function askUntil({ url }: ChatService, stopped: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  const clients = Array.from({ length: others }, async () => {
    while (!stopped.aborted) {
      const startedAt = performance.now();
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        body: chatBody({ max_tokens: 50 }),
      });
      await response.text();
      if (response.ok) times.push(performance.now() - startedAt);
      else await pause(100);
    }
  });
  await Promise.all(clients);
  return times;
}

function chatBody(fields: object): string {
  return JSON.stringify({ messages: [{ role: 'user', content: 'Go on.' }], ...fields });
}

function chatRequest(fields: object): string {
  const body = chatBody(fields);
  return `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

async function leaveAll(port: number, count: number): Promise<string> {
  const dice = random(count);
  const left = { before: 0, during: 0 };
  const clients = Array.from({ length: atOnce }, async () => {
    for (let sent = 0; sent < count / atOnce; sent++) left[await leave(port, dice)] += 1;
  });
  await Promise.all(clients);
  return `${left.before} left in their request, ${left.during} in the answer`;
}

async function leave(port: number, dice: ReturnType<typeof random>): Promise<'before' | 'during'> {
  const request = chatRequest({ stream: dice.integer(0, 1) === 1, max_tokens: 60 });
  const socket = await open(port);
  const isCut = dice.integer(0, 1) === 0;
  const bytes = isCut ? dice.integer(0, request.length - 1) : dice.integer(1, 6000);
  let seen = 0;
  const done = new Promise<void>((resolve) => {
    socket.once('close', resolve).on('data', (chunk: Buffer) => {
      seen += chunk.length;
      if (!isCut && seen >= bytes) socket.destroy();
    });
  });
  socket.write(isCut ? request.slice(0, bytes) : request);
  // A whole answer may be shorter than the byte at which the client would leave.
  const timer = setTimeout(() => socket.destroy(), isCut ? dice.integer(0, 30) : 400);
  await done;
  clearTimeout(timer);
  return isCut ? 'before' : 'during';
}

/** Opens sockets, sends `text`, and holds them. @returns how many of them the service closed. */
async function hold(
  port: number,
  count: number,
  text: string,
  { seconds, read, drip }: { seconds: number; read?: number; drip?: string },
): Promise<string> {
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port)));
  let firstClosed = 0;
  const startedAt = performance.now();
  let closed = 0;
  for (const socket of sockets) {
    socket.pause();
    socket.once('close', () => {
      firstClosed ||= performance.now() - startedAt;
      closed += 1;
    });
    if (text !== '') socket.write(text);
    if (drip !== undefined) socket.resume();
  }
  const isOpen = (socket: Socket): boolean => !socket.destroyed;
  while (performance.now() - startedAt < seconds * 1000 && sockets.some(isOpen)) {
    await pause(read === undefined ? 1000 : 100);
    for (const socket of sockets) {
      if (drip !== undefined && !socket.destroyed) socket.write(drip);
      if (read !== undefined) socket.read(read);
    }
  }
  const byService = closed;
  for (const socket of sockets) socket.destroy();
  return byService === 0
    ? `all were open until their clients left after ${seconds} s`
    : `the service disconnected ${byService}, the first after ${(firstClosed / 1000).toFixed(0)} s`;
}

function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(socket)).once('close', () => resolve(socket));
  });
}
