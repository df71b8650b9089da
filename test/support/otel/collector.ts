/**
 * Collectors for OTLP in its three protocols: one that accepts everything, one that answers 503, one that never answers, one that is
 * down. What arrives is kept as OTLP JSON, whichever protocol brought it.
 */
import { Server as GrpcServer, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';

export const collectorKinds = ['receiving', 'unavailable', 'hanging', 'absent'] as const;
export type CollectorKind = (typeof collectorKinds)[number];

const signals = ['traces', 'metrics', 'logs'] as const;
export type Signal = (typeof signals)[number];
export type Protocol = 'http/protobuf' | 'http/json' | 'grpc';

export interface Received {
  signal: Signal;
  protocol: Protocol;
  /** Of HTTP; of gRPC the metadata. */
  headers: Record<string, unknown>;
  /** OTLP JSON. */
  body: object;
}

export interface Collector {
  url: string;
  grpcUrl: string;
  received: Received[];
  /** Names of the received spans, in order. */
  spanNames: () => string[];
  /** The received traces as OTLP JSON text. */
  bodies: () => string[];
  close(): Promise<void>;
}

/** Key and certificate of the collector and of the clients that it accepts with `tls`. */
export const pemFile = `${import.meta.dirname}/localhost.pem`;

const messages = protobuf.loadSync(`${import.meta.dirname}/otlp.proto`);
const grpcServices = {
  traces: 'trace.v1.TraceService',
  metrics: 'metrics.v1.MetricsService',
  logs: 'logs.v1.LogsService',
};

/** `tls`: it accepts only clients with the certificate of `pemFile`. */
export async function startCollector(
  kind: CollectorKind,
  { tls = false } = {},
): Promise<Collector> {
  const received: Received[] = [];
  const pem = tls ? readFileSync(pemFile) : undefined;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (kind !== 'hanging') void answer(request, response);
  };
  const server =
    pem === undefined
      ? createServer(listener)
      : createTlsServer({ key: pem, cert: pem, ca: pem, requestCert: true }, listener);
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, url } = request;
    const signal = signals.find((each) => url === `/v1/${each}`);
    const raw = await buffer(request);
    const bytes = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    const isJson = headers['content-type'] === 'application/json';
    if (kind === 'receiving' && signal !== undefined) {
      const body = isJson ? (JSON.parse(bytes.toString()) as object) : decode(signal, bytes);
      received.push({ signal, protocol: isJson ? 'http/json' : 'http/protobuf', headers, body });
    }
    response.statusCode = kind === 'unavailable' ? 503 : 200;
    response.setHeader('content-type', headers['content-type'] ?? '');
    response.end(isJson ? '{}' : '');
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const grpc = kind === 'receiving' ? await startGrpc(received, pem) : undefined;
  const close = async (): Promise<void> => {
    grpc?.server.forceShutdown();
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  if (kind === 'absent') await close();
  const bodies = (): string[] =>
    received.filter(({ signal }) => signal === 'traces').map(({ body }) => JSON.stringify(body));
  const origin = tls ? 'https://localhost' : 'http://127.0.0.1';
  return {
    url: `${origin}:${port}`,
    grpcUrl: `${origin}:${grpc?.port}`,
    received,
    bodies,
    spanNames: () =>
      received.flatMap(({ body }) =>
        collect<{ name: string }>(body, 'spans').map(({ name }) => name),
      ),
    close,
  };
}

/** All items of one list of an OTLP message: `spans`, `metrics`, `logRecords`. */
export function collect<Item>(body: object, list: 'spans' | 'metrics' | 'logRecords'): Item[] {
  return Object.entries(body).flatMap(([key, value]): Item[] => {
    if (key === list) return value as Item[];
    return Array.isArray(value) ? value.flatMap((item: object) => collect<Item>(item, list)) : [];
  });
}

async function startGrpc(
  received: Received[],
  pem: Buffer | undefined,
): Promise<{ server: GrpcServer; port: number }> {
  const server = new GrpcServer();
  for (const signal of signals) {
    const definition = {
      path: `/opentelemetry.proto.collector.${grpcServices[signal]}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: () => Buffer.alloc(0),
      responseDeserialize: (bytes: Buffer) => bytes,
    } as const;
    const accept: handleUnaryCall<Buffer, object> = (call, answer) => {
      const headers = call.metadata.getMap();
      received.push({ signal, protocol: 'grpc', headers, body: decode(signal, call.request) });
      answer(null, {});
    };
    server.addService({ export: definition }, { export: accept });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const credentials =
    pem === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(pem, [{ private_key: pem, cert_chain: pem }], true);
  server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  return { server, port: await promise };
}

/** Protobuf to OTLP JSON as OpenTelemetry's JSON exporter writes it: ids in hexadecimal, counts as numbers. */
function decode(signal: Signal, bytes: Uint8Array): object {
  const type = messages.lookupType(signal);
  const object = type.toObject(type.decode(bytes), { longs: String, bytes: String, arrays: true });
  const text = JSON.stringify(object, (key, value: unknown) => {
    if (/^(trace|span|parentSpan)Id$/.test(key)) return toHex(value as string);
    return /^(intValue|asInt|count|zeroCount)$/.test(key) ? Number(value) : value;
  });
  return JSON.parse(text) as object;
}

function toHex(base64: string): string | undefined {
  return Buffer.from(base64, 'base64').toString('hex') || undefined;
}
