/** Traffic with every kind of ending: answers, streams, aborts, invalid requests, a full queue, an engine that is killed. */
import { readdirSync, readFileSync } from 'node:fs';
import { until } from '../until.ts';

const messages = [{ role: 'user', content: 'hello' }];

/**
 * Causes every kind of ending except a deadline in a service with one sequence and a queue of one. Resolves when the killed engine
 * has restarted.
 * @param chatPid the process whose engine is killed in the middle of a stream.
 */
export async function driveTraffic(chatUrl: string, chatPid: number): Promise<void> {
  const post = (route: string, body: object | string, signal?: AbortSignal): Promise<Response> =>
    fetch(chatUrl + route, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal && { signal }),
    });
  const finish = async (route: string, body: object | string): Promise<number> => {
    const response = await post(route, body);
    await response.text();
    return response.status;
  };
  const answer = { messages, temperature: 0, max_tokens: 24 };

  for (let turn = 0; turn < 3; turn += 1) {
    await finish('/v1/chat/completions', { ...answer, logprobs: true });
    await finish('/v1/chat/completions', { ...answer, stream: true, logprobs: true });
    await finish('/chat', { prompt: 'hello' });
    await finish('/v1/completions', { prompt: 'once upon', max_tokens: 4 });
  }

  await finish('/v1/chat/completions', '{"messages":');
  await finish('/v1/chat/completions', { ...answer, model: 'none' });
  await finish('/chat', { prompt: 'word '.repeat(9000) });
  // The stream lasts long enough to keep the queue full until the last request, even from a slow client.
  const long = { messages: [{ role: 'user', content: 'word '.repeat(3000) }], max_tokens: 4 };
  await Promise.all(Array.from({ length: 8 }, () => finish('/v1/chat/completions', long)));

  const gone = new AbortController();
  const left = await post('/v1/chat/completions', { ...answer, stream: true }, gone.signal);
  await left.body?.getReader().read();
  gone.abort();

  const interrupted = await post('/v1/chat/completions', { messages, stream: true });
  process.kill(enginePid(chatPid), 'SIGKILL');
  await interrupted.text().catch(() => undefined);
  await until(async () => (await finish('/chat', { prompt: 'hello' })) === 503);
  await until(async () => (await fetch(`${chatUrl}/readyz`)).ok, 30);
  await finish('/v1/chat/completions', { ...answer, stream: true, logprobs: true });
}

/** The engine, a child of the chat service. */
function enginePid(chatPid: number): number {
  const parentOf = (pid: string): number => {
    try {
      return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    } catch {
      return Number.NaN;
    }
  };
  const pid = readdirSync('/proc').find(
    (entry) => /^\d+$/.test(entry) && parentOf(entry) === chatPid,
  );
  if (pid === undefined) throw new Error(`expected an engine under process ${chatPid}, found none`);
  return Number(pid);
}
