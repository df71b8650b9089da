/**
 * `make fuzz`: sends raw requests to the real service: bodies that are cut, mutated and mixed, and bytes that are no HTTP. Exits with 1
 * when one is answered with 500, or when a process ends. REQUESTS (20000) and SEED (1) select the run.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { startChatService } from '../support/api/chat-service.ts';
import { buildRequest, kinds } from './hostile-requests.ts';
import { random } from './random.ts';

const count = Number(process.env['REQUESTS'] ?? 20_000);
const dice = random(Number(process.env['SEED'] ?? 1));
const clients = 8;
const patienceMillis = 30_000;

const service = await startChatService({ CHAT_EMBEDDINGS: 'true', CHAT_QUEUE_LIMIT: '64' });
const engine = service.enginePid();
const { hostname, port } = new URL(service.url);
const statuses = new Map<string, number>();
const failures: string[] = [];
let sent = 0;

interface RawRequest {
  bytes: Buffer;
  /** Whether the server can tell where the request ends. Otherwise the connection is closed after the last byte. */
  isWhole: boolean;
}

/** Every request is derived from the seed. */
function createRequest(): RawRequest {
  const genes = {
    kind: dice.pick(Object.keys(kinds)),
    size: dice.integer(1, 40),
    variant: dice.integer(0, 999),
    bias: -1,
    stream: dice.integer(0, 3) === 0,
  };
  const { path, body } = buildRequest(genes);
  const payload = mutate(Buffer.from(body), dice.integer(0, 3));
  const method = dice.pick(['POST', 'POST', 'POST', 'POST', 'GET', 'PUT', 'HEAD', 'PROPFIND']);
  const length = dice.integer(0, 30) === 0 ? dice.integer(0, 2000) : payload.length;
  const head = [
    `${method} ${dice.integer(0, 20) === 0 ? `${path}/%ff?a=${genes.variant}` : path} HTTP/1.1`,
    `host: ${dice.pick(['127.0.0.1', '127.0.0.1', 'localhost', '127.0.0..1', '[::1]', ''])}`,
    `content-type: ${dice.pick(['application/json', 'text/plain', 'multipart/form-data', ''])}`,
    `content-length: ${length}`,
    'connection: close',
    '',
    '',
  ].join('\r\n');
  const headBytes = Buffer.from(head);
  const isMutated = dice.integer(0, 15) === 0;
  const bytes = Buffer.concat([isMutated ? mutate(headBytes, 2) : headBytes, payload]);
  return { bytes, isWhole: !isMutated && length === payload.length };
}

/** Replaces, repeats or removes a few bytes. */
function mutate(bytes: Buffer, times: number): Buffer {
  let mutated = bytes;
  for (let time = 0; time < times; time++) {
    const at = dice.integer(0, mutated.length);
    const to = Math.min(mutated.length, at + dice.integer(0, 12));
    const middle = dice.pick([
      Buffer.alloc(0),
      Buffer.from([dice.integer(0, 255)]),
      Buffer.from(
        dice.pick(['null', '{}', '[]', '-1', '1e999', '"\\ud800"', '"__proto__":1,', ',,']),
      ),
      Buffer.concat([mutated.subarray(at, to), mutated.subarray(at, to)]),
    ]);
    mutated = Buffer.concat([mutated.subarray(0, at), middle, mutated.subarray(to)]);
  }
  return mutated;
}

/** @returns the status, or how the connection ended without one. */
async function send({ bytes, isWhole }: RawRequest): Promise<string> {
  const socket = connect(Number(port), hostname);
  socket.setTimeout(patienceMillis, () => socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    if (text.length < 100) text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(bytes);
  if (!isWhole) socket.end();
  await once(socket, 'close');
  return /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'closed';
}

async function run(): Promise<void> {
  while (sent < count) {
    sent += 1;
    const request = createRequest();
    const status = await send(request);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status === '500') failures.push(request.bytes.subarray(0, 400).toString('latin1'));
  }
}

await Promise.all(Array.from({ length: clients }, run));
const isAlive = service.process.exitCode === null && service.process.signalCode === null;
const seen = [...statuses].toSorted().map(([status, times]) => `${status}: ${times}`);
process.stdout.write(`${sent} requests; ${seen.join(', ')}\n`);
process.stdout.write(`the service ${isAlive ? 'runs' : 'ENDED'}, `);
process.stdout.write(`the engine ${service.enginePid() === engine ? 'runs' : 'ENDED'}\n`);
for (const failure of failures.slice(0, 10)) process.stdout.write(`${failure}\n---\n`);
await service.stop();
process.exit(failures.length > 0 || !isAlive || service.enginePid() !== engine ? 1 : 0);
