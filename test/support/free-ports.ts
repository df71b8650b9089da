/**
 * Free ports for programs that get their port as a setting. The ports are below Linux's range for outgoing connections
 * (ip_local_port_range); otherwise an outgoing connection could take a port before the program starts. They are above 10080, the
 * highest port that `fetch` refuses.
 */
import { createServer } from 'node:net';

const lowestPort = 12_000;
const portsAWorker = 2_500;
const workers = 8;

// Vitest's workers are separate processes, so each one gets its own range of ports.
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % workers;
let given = Math.floor(Math.random() * portsAWorker);

/** Returns `count` consecutive free ports on 127.0.0.1. */
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
