/** Collectors that are down, hang, refuse or lie. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startCollector, type CollectorKind } from '../../support/otel/collector.ts';
import { until } from '../../support/until.ts';
import type { Fault, World } from './fault.ts';
import { scrape } from './readings.ts';

/** A short queue, so that the loss is seen in seconds. */
const impatient = {
  OTEL_BSP_SCHEDULE_DELAY: '100',
  OTEL_BSP_EXPORT_TIMEOUT: '500',
  OTEL_EXPORTER_OTLP_TIMEOUT: '500',
  OTEL_BSP_MAX_QUEUE_SIZE: '16',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '8',
};

interface Address {
  url: string;
  close(): Promise<void>;
}

function collector(what: string, open: () => Promise<Address>): Fault {
  let address: Address | undefined;
  return {
    what,
    async prepare() {
      address = await open();
      return undefined;
    },
    start: () => ({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: address!.url, ...impatient } }),
    strike: async () => {},
    operator: (world) => unexported(world),
    losesAnswers: false,
    dispose: async () => address?.close(),
  };
}

/** Waits until spans are counted that did not reach the collector. */
async function unexported({ service }: World): Promise<string> {
  let found: [string, number][] = [];
  await until(async () => {
    const samples = [...(await scrape(service.url))];
    found = samples.filter(
      ([key, value]) => /span_processed_total\{.*error_type/.test(key) && value > 0,
    );
    return found.length > 0;
  }, 30);
  return found.map(([key, value]) => `${key} ${value}`).join(', ');
}

const ofKind = (kind: CollectorKind) => () => startCollector(kind);

export const collectorFaults: Readonly<Record<string, Fault>> = {
  'collector-down': collector('the collector is down', ofKind('absent')),
  'collector-hangs': collector('the collector never answers', ofKind('hanging')),
  'collector-refuses': collector('the collector answers 503', ofKind('unavailable')),
  'collector-lies': collector('the collector answers 400 with a web page', startLiar),
};

async function startLiar(): Promise<Address> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(400, { 'content-type': 'text/html' }).end('<p>?'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
