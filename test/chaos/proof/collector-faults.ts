/** Collectors that are down, hang, refuse or lie. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startCollector, type CollectorKind } from '../../support/otel/collector.ts';
import { counted, type Fault } from './fault.ts';

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
    operator: (world) => counted(world, 'telemetry_spans_lost_total'),
    losesAnswers: false,
    dispose: async () => address?.close(),
  };
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
