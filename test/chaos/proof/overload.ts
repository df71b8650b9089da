/** Fifty times as many requests as the service can answer, for three minutes. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../../bench/statistics.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { writeEndlessModel } from '../../support/engine/host.ts';
import { until } from '../../support/until.ts';
import { showTimes, startProbe } from './probe.ts';
import { readPid } from './readings.ts';
import { claim, note, type Row, type Section } from './section.ts';

const factor = 50;
/** Nearly every client is refused and comes back; those of the last seconds do not. */
const requestsPerClient = 1.75;
/** Three minutes, because the heap of V8 grows to its size in the first ones. */
const seconds = Number(process.env['OVERLOAD_SECONDS'] ?? 180);
const sequences = 2;
const queueLimit = 16;
/** An answer takes a good part of a second, so that the clients are not the bottleneck. */
const tokens = 1500;
const tickMillis = 20;
const loyalClients = 20;

export const overload: Section = {
  title: 'Overload',
  introduction: `${seconds} s of requests at ${factor} times the rate that the service can answer; a refused client comes back when its Retry-After is over, once. ${sequences} sequences, a queue of ${queueLimit}.`,
  columns: ['claim', 'measured'],
  parts: { arrivals: runOverload },
};

interface Answer {
  status: number | string;
  retryAfter: number | undefined;
}

async function runOverload(): Promise<Row[]> {
  const modelPath = writeEndlessModel();
  const service = await startChatService({
    CHAT_MODEL: modelPath,
    CHAT_SEQUENCES: String(sequences),
    CHAT_QUEUE_LIMIT: String(queueLimit),
    TRACES_DB: path.join(path.dirname(modelPath), 'traces.db'),
  });
  try {
    return await measure(service);
  } finally {
    await service.stop();
    rmSync(path.dirname(modelPath), { recursive: true });
  }
}

async function measure(service: ChatService): Promise<Row[]> {
  const capacity = await measureCapacity(service);
  const alone = await timeOne(service);
  const before = readPid(service.process.pid!).rssBytes;
  const probe = startProbe(service.url);
  const answers: Answer[] = [];
  const returned: Answer[] = [];
  const rss: number[] = [];
  const running = new Set<Promise<void>>();
  const endsAt = performance.now() + seconds * 1000;
  const loyal = Array.from({ length: loyalClients }, () => comeBackUntilServed(service, endsAt));

  async function arrive(): Promise<void> {
    const answer = await ask(service);
    answers.push(answer);
    if (answer.retryAfter === undefined) return;
    const back = performance.now() + answer.retryAfter * 1000;
    if (back > endsAt) return;
    await pause(answer.retryAfter * 1000);
    returned.push(await ask(service));
  }

  let due = 0;
  const rate = (factor * capacity) / requestsPerClient;
  const startedAt = performance.now();
  for (let sent = 0; performance.now() < endsAt;) {
    due = ((performance.now() - startedAt) / 1000) * rate;
    for (; sent < due; sent++) {
      const run = arrive().finally(() => running.delete(run));
      running.add(run);
    }
    if (sent % 10 === 0) rss.push(readPid(service.process.pid!).rssBytes);
    await pause(tickMillis);
  }
  const recovered = performance.now();
  await until(async () => (await depth(service)) === 0, 300);
  const recoverySeconds = (performance.now() - recovered) / 1000;
  await Promise.all(running);
  const served = await Promise.all(loyal);
  const { times, failures } = await probe.stop();
  const after = await timeOne(service);
  return [
    note(
      'the service alone answers',
      `${capacity.toFixed(1)} requests/s; sent ${answers.length + returned.length}, which is ${((answers.length + returned.length) / seconds / capacity).toFixed(0)} times as many`,
    ),
    judgeAnswers('every request gets 200, or 429 or 503 with Retry-After', answers),
    judgeAnswers('so does every client that comes back after its Retry-After', returned),
    note(
      `of ${loyalClients} clients that come back until they are served or the time is over`,
      `${served.filter(({ isServed }) => isServed).length} are served, after up to ${Math.max(...served.map(({ tries }) => tries))} tries`,
    ),
    claim(
      'p99 of /healthz is below 100 ms',
      showTimes(times['/healthz']),
      percentile(times['/healthz'], 99) < 100,
    ),
    claim(
      'p99 of /metrics is below 100 ms',
      showTimes(times['/metrics']),
      percentile(times['/metrics'], 99) < 100,
    ),
    claim(
      'no probe and no scrape fails',
      failures.slice(0, 3).join('; ') || 'none',
      failures.length === 0,
    ),
    judgeMemory(before, rss),
    claim(
      `the queue is empty within its length, ${((queueLimit + sequences) / capacity).toFixed(1)} s`,
      `${recoverySeconds.toFixed(1)} s after the last arrival`,
      recoverySeconds <= (1.2 * (queueLimit + sequences)) / capacity + 1,
    ),
    note('one request alone', `${alone.toFixed(2)} s before, ${after.toFixed(2)} s after`),
  ];
}

/** Requests per second, with as many clients as the service has sequences. */
async function measureCapacity(service: ChatService): Promise<number> {
  await ask(service);
  let answered = 0;
  const startedAt = performance.now();
  const clients = Array.from({ length: sequences * 2 }, async () => {
    while (performance.now() - startedAt < 5000) {
      await ask(service);
      answered += 1;
    }
  });
  await Promise.all(clients);
  return answered / ((performance.now() - startedAt) / 1000);
}

async function timeOne(service: ChatService): Promise<number> {
  const startedAt = performance.now();
  await ask(service);
  return (performance.now() - startedAt) / 1000;
}

async function ask({ url }: ChatService): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Go.' }], max_tokens: tokens }),
    });
    await response.text();
    const after = response.headers.get('retry-after');
    return { status: response.status, retryAfter: after === null ? undefined : Number(after) };
  } catch (error) {
    return { status: String((error as Error).cause ?? error), retryAfter: undefined };
  }
}

async function comeBackUntilServed(
  service: ChatService,
  endsAt: number,
): Promise<{ isServed: boolean; tries: number }> {
  for (let tries = 1; ; tries++) {
    const { status, retryAfter = 1 } = await ask(service);
    if (status === 200) return { isServed: true, tries };
    if (performance.now() + retryAfter * 1000 > endsAt) return { isServed: false, tries };
    await pause(retryAfter * 1000);
  }
}

function judgeAnswers(text: string, answers: readonly Answer[]): Row {
  const counts = new Map<string, number>();
  for (const { status } of answers)
    counts.set(String(status), (counts.get(String(status)) ?? 0) + 1);
  const waits = answers.flatMap(({ retryAfter }) => retryAfter ?? []);
  const isRight = ({ status, retryAfter = 0 }: Answer): boolean =>
    status === 200 || ((status === 429 || status === 503) && retryAfter >= 1);
  const shown = [...counts].map(([status, count]) => `${status}: ${count}`).join(', ');
  const range =
    waits.length === 0 ? '' : `; Retry-After ${Math.min(...waits)} to ${Math.max(...waits)} s`;
  return claim(text, shown + range, answers.every(isRight));
}

/** Bounded: the last third needs no more than the second third, but for 10 %. */
function judgeMemory(before: number, rss: readonly number[]): Row {
  const third = Math.floor(rss.length / 3);
  const megabytes = (value: number): string => `${(value / 1e6).toFixed(0)} MB`;
  const second = Math.max(...rss.slice(third, 2 * third));
  const last = Math.max(...rss.slice(2 * third));
  return claim(
    'the memory of the chat service is bounded: at most 10 % more in the last third than in the second',
    `${megabytes(before)} before, at most ${megabytes(second)} in the second third, ${megabytes(last)} in the last`,
    last <= 1.1 * second,
  );
}

async function depth(service: ChatService): Promise<number> {
  const waiting = (await service.sample('inference_queue_depth')) ?? 0;
  return waiting + ((await service.sample('inference_sequences_active')) ?? 0);
}
