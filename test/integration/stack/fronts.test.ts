/** nginx and Envoy in front of stand-ins for replicas: which one gets a request, and which gets those that the first does not answer. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../support/free-ports.ts';
import { envoyProgram, fronts, type Front } from '../../support/stack/fronts.ts';
import { until } from '../../support/until.ts';

type Answer = 'good' | 'full' | 'stopping' | 'cut';

interface Replica {
  server: Server;
  answer: Answer;
  asked: string[];
}

async function startReplica(port: number): Promise<Replica> {
  const server = createServer((request, response) => void answer(request, response));
  const replica: Replica = { server, answer: 'good', asked: [] };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/readyz') return void response.end();
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part as string;
    replica.asked.push(body);
    if (replica.answer === 'full') return void response.writeHead(429, refusal).end();
    if (replica.answer === 'stopping') return void response.writeHead(503, refusal).end();
    if (replica.answer === 'good') return void response.end(String(port));
    response.write(String(port), () => response.destroy());
  }
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return replica;
}

const refusal = { 'retry-after': '7' };

describe('behind nginx', () => {
  testFront('nginx');
});
describe.skipIf(envoyProgram() === undefined)('behind envoy', () => {
  testFront('envoy');
});

function testFront(name: keyof typeof fronts): void {
  let url: string;
  let front: Front;
  let replicas: Replica[];

  beforeAll(async () => {
    const [port = 0, ...ports] = await freePorts(3);
    replicas = await Promise.all(ports.map(startReplica));
    front = await fronts[name](port, ports);
    url = `http://127.0.0.1:${port}/v1/chat/completions`;
    // Envoy first asks each replica for /readyz.
    await until(async () => (await ask()).ok);
  });
  afterAll(async () => {
    await front.stop();
    for (const { server } of replicas) {
      server.close();
      server.closeAllConnections();
    }
  });
  beforeEach(() => {
    for (const replica of replicas) Object.assign(replica, { answer: 'good', asked: [] });
  });

  const ask = (body = 'Hello', headers: Record<string, string> = { 'x-conversation-id': 'one' }) =>
    fetch(url, { method: 'POST', headers, body });

  /** The replica of the conversation, and the other one. */
  async function findOwner(): Promise<[Replica, Replica]> {
    await (await ask()).text();
    const [first, second] = replicas as [Replica, Replica];
    const pair: [Replica, Replica] = first.asked.length > 0 ? [first, second] : [second, first];
    for (const replica of replicas) replica.asked = [];
    return pair;
  }

  test.each(['x-conversation-id', 'authorization', 'x-api-key'])(
    'the same %s returns to the same replica, and others are spread',
    async (name) => {
      const keys = Array.from({ length: 12 }, (_, at) => `Bearer ${at}`);
      // One after another, because Envoy passes on what is too much for one replica.
      const round = async (): Promise<string[]> => {
        const texts: string[] = [];
        for (const key of keys) texts.push(await (await ask(key, { [name]: key })).text());
        return texts;
      };
      const first = await round();
      expect(await round()).toEqual(first);
      expect(new Set(first).size).toBe(2);
    },
  );

  test.each<Answer>(['full', 'stopping'])(
    'a replica that is %s passes the request on whole, and with all so the client gets the answer',
    async (answer) => {
      const [owner, other] = await findOwner();
      owner.answer = answer;
      const body = 'x'.repeat(1_000_000);
      expect((await ask(body)).status).toBe(200);
      expect([owner.asked, other.asked]).toEqual([[body], [body]]);
      // It is asked again at once: being full is no failure.
      owner.answer = 'good';
      expect((await ask()).status).toBe(200);
      expect(owner.asked).toHaveLength(2);
      for (const replica of replicas) replica.answer = answer;
      const refused = await ask();
      expect(refused.status).toBe(answer === 'full' ? 429 : 503);
      expect(refused.headers.get('retry-after')).toBe('7');
    },
  );

  test('an answer that has begun ends with its replica, and no other one is asked', async () => {
    const [owner, other] = await findOwner();
    owner.answer = 'cut';
    const begun = await ask();
    expect(begun.status).toBe(200);
    await expect(begun.text()).rejects.toThrow('terminated');
    expect([owner.asked, other.asked]).toEqual([['Hello'], []]);
  });
}
