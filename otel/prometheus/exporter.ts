/**
 * OpenTelemetry's PrometheusExporter with our serialisation. README.md of this folder gives the reason for each difference. Created by
 * `sdk.ts`.
 */
import { diag, type Attributes } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Exemplars } from './exemplars.ts';
import { contentTypes, writeExposition } from './exposition.ts';
import { toFamilies, type Families } from './families.ts';
import { acceptsGzip, chooseFormat } from './negotiation.ts';

export interface ScrapeRequest {
  accept?: string | undefined;
  acceptEncoding?: string | undefined;
}

export interface ScrapeResponse {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export interface OpenMetricsExporterOptions {
  /** Where `GET /metrics` is served as well; undefined: nowhere. */
  server?: { host: string; port: number } | undefined;
  exemplars?: Exemplars | undefined;
  /** Whether one more series of a metric outside the contract fits below the limit. */
  admit?: (metric: string, attributes: Attributes) => boolean;
  /** Scrapes that start within this time share one collection, because some gauges are reset by every collection. */
  shareMillis?: number;
  /**
   * Collects after this time without a scrape. The SDK keeps what other readers collect until this reader collects as well: 68 kB a
   * collection of 100 histograms (measured).
   */
  idleMillis?: number | undefined;
  /** Called with the duration of each collection and its serialisation, not by scrapes that share a collection. */
  onScraped?: (seconds: number) => void;
  onFailed?: (errors: readonly unknown[]) => void;
}

/** With half a second for writing, a scrape is answered within 3 s. */
const collectTimeoutMillis = 2500;
const compress = promisify(gzip);
const plainText = { 'content-type': 'text/plain; charset=utf-8' };

type Collected = { kind: 'families'; families: Families } | { kind: 'failed'; errors: number };

export class OpenMetricsExporter extends PrometheusExporter {
  readonly #options: OpenMetricsExporterOptions;
  #shared: { at: number; settled: boolean; collected: Promise<Collected> } | undefined;
  #server: Server | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: OpenMetricsExporterOptions = {}) {
    super({ preventServerStart: true });
    this.#options = options;
    if (options.idleMillis !== undefined) {
      this.#idle = setInterval(() => void this.#collectOnce(), options.idleMillis).unref();
    }
    if (options.server !== undefined) {
      const { host, port } = options.server;
      this.startServer().catch((error: unknown) =>
        diag.error(`OTEL_EXPORTER_PROMETHEUS_PORT: cannot listen on ${host}:${port}:`, error),
      );
    }
  }

  /** Answers `GET /metrics` of any server of Node, such as the one of OTEL_EXPORTER_PROMETHEUS_PORT. */
  override getMetricsRequestHandler(request: IncomingMessage, response: ServerResponse): void {
    const { accept, 'accept-encoding': acceptEncoding } = request.headers;
    this.scrape({ accept, acceptEncoding: acceptEncoding?.toString() })
      .then((answer) => sendScrape(answer, response))
      .catch((error: unknown) => {
        diag.error('metrics cannot be written:', error);
        response.destroy();
      });
  }

  /** Status 500 if the collection fails or takes longer than 2.5 s. */
  async scrape(request: ScrapeRequest): Promise<ScrapeResponse> {
    this.#idle?.refresh();
    const startedAt = performance.now();
    const shared = this.#findShared();
    const collected = await (shared ?? this.#startShared());
    if (collected.kind === 'failed') {
      const body = `Metrics collection failed with ${collected.errors} error(s). See the log.\n`;
      return { status: 500, headers: plainText, body };
    }
    const format = chooseFormat(request.accept);
    const { exemplars, onScraped } = this.#options;
    const text = writeExposition(collected.families, { format, exemplars });
    if (shared === undefined) onScraped?.((performance.now() - startedAt) / 1000);
    const headers = { 'content-type': contentTypes[format], vary: 'accept, accept-encoding' };
    if (!acceptsGzip(request.acceptEncoding)) return { status: 200, headers, body: text };
    // The fastest level already compresses metrics tenfold. gzip runs in libuv's thread pool, off the event loop.
    const body = await compress(text, { level: constants.Z_BEST_SPEED });
    return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body };
  }

  override async startServer(): Promise<void> {
    const { host = 'localhost', port = 9464 } = this.#options.server ?? {};
    this.#server = createServer((request, response) => {
      const [path] = (request.url ?? '/').split('?', 1);
      if (path === '/metrics') this.getMetricsRequestHandler(request, response);
      else response.writeHead(404, plainText).end('Not found. Try /metrics.\n');
    }).unref();
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  override stopServer(): Promise<void> {
    clearInterval(this.#idle);
    this.#server?.close();
    this.#server?.closeAllConnections();
    return Promise.resolve();
  }

  async #collectOnce(): Promise<Collected> {
    let errors: readonly unknown[];
    try {
      const result = await this.collect({ timeoutMillis: collectTimeoutMillis });
      if (result.errors.length === 0) {
        const families = toFamilies(result.resourceMetrics, this.#options.admit);
        return { kind: 'families', families };
      }
      errors = result.errors;
    } catch (error) {
      errors = [error];
    }
    this.#options.onFailed?.(errors);
    return { kind: 'failed', errors: errors.length };
  }

  #findShared(): Promise<Collected> | undefined {
    const { shareMillis = 0 } = this.#options;
    const shared = this.#shared;
    if (shared === undefined) return undefined;
    const isRecent = performance.now() - shared.at < shareMillis;
    return !shared.settled || isRecent ? shared.collected : undefined;
  }

  #startShared(): Promise<Collected> {
    const mine = { at: performance.now(), settled: false, collected: this.#collectOnce() };
    this.#shared = mine;
    return mine.collected.finally(() => (mine.settled = true));
  }
}

/** Answers `GET /metrics` of a server with the Fetch API's types, such as Hono, which ends the response itself. */
export async function answerScrape(
  exporter: Pick<OpenMetricsExporter, 'scrape'>,
  request: Headers,
): Promise<Response> {
  const { status, headers, body } = await exporter.scrape({
    accept: request.get('accept') ?? undefined,
    acceptEncoding: request.get('accept-encoding') ?? undefined,
  });
  return new Response(typeof body === 'string' ? body : new Uint8Array(body), { status, headers });
}

export function sendScrape(answer: ScrapeResponse, response: ServerResponse): void {
  response.writeHead(answer.status, answer.headers).end(answer.body);
}
