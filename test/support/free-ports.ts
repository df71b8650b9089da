/**
 * Ports for programs that are told where to listen. They lie below those that Linux hands out to connections that go out
 * (ip_local_port_range), or one of these could take a port between here and the program's start; and above 10080, the
 * highest that `fetch` refuses.
 */
import { createServer } from 'node:net';

const lowestPort = 12_000;
const portsAWorker = 2_500;
const workers = 8;

// Vitest's workers are processes that know nothing of one another.
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % workers;
let given = Math.floor(Math.random() * portsAWorker);

/** So many that follow one another, on 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  for (;;) {
    const offset = given % (portsAWorker - count);
    given = offset + count;
    const first = lowestPort + worker * portsAWorker + offset;
    const ports = Array.from({ length: count }, (_, at) => first + at);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return ports;
  }
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  return free.finally(() => server.close());
}
