/** Answers a scrape: collects, writes the requested format, compresses. Created by `sdk.ts`. */
import type { CollectionResult } from '@opentelemetry/sdk-metrics';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Exemplars } from './exemplars.ts';
import { contentTypes, writeExposition, type Format } from './exposition.ts';
import { toFamilies, type Families } from './families.ts';
import type { Ceiling } from '../metrics/series.ts';

export interface ScrapeRequest {
  accept?: string | undefined;
  acceptEncoding?: string | undefined;
}

export interface ScrapeResponse {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export interface ScraperOptions {
  /** Collects all metrics. A callback that exceeds the timeout is reported as an error. */
  collect: (options: { timeoutMillis: number }) => Promise<CollectionResult>;
  exemplars: Exemplars;
  ceiling: Ceiling;
  /** Scrapes that start within this time share one collection, because some gauges are reset by every collection. */
  shareMillis: number;
  /** Called with the duration of each collection and its serialisation. */
  onScraped: (seconds: number) => void;
  onFailed: (errors: readonly unknown[]) => void;
}

/** With half a second for writing, a scrape is answered within 3 s. */
const collectTimeoutMillis = 2500;
const compress = promisify(gzip);

type Collected = { kind: 'families'; families: Families } | { kind: 'failed'; errors: number };

export function createScraper(
  options: ScraperOptions,
): (request: ScrapeRequest) => Promise<ScrapeResponse> {
  let shared: { at: number; settled: boolean; collected: Promise<Collected> } | undefined;

  async function collectOnce(): Promise<Collected> {
    let errors: readonly unknown[];
    try {
      const result = await options.collect({ timeoutMillis: collectTimeoutMillis });
      if (result.errors.length === 0) {
        const families = toFamilies(result.resourceMetrics, options.ceiling.admit);
        return { kind: 'families', families };
      }
      errors = result.errors;
    } catch (error) {
      errors = [error];
    }
    options.onFailed(errors);
    return { kind: 'failed', errors: errors.length };
  }

  function collectShared(): Promise<Collected> {
    const now = performance.now();
    if (shared !== undefined && (!shared.settled || now - shared.at < options.shareMillis)) {
      return shared.collected;
    }
    const mine = { at: now, settled: false, collected: collectOnce() };
    shared = mine;
    return mine.collected.finally(() => (mine.settled = true));
  }

  return async function scrape(request) {
    const startedAt = performance.now();
    const collected = await collectShared();
    if (collected.kind === 'failed') {
      const body = `Metrics collection failed with ${collected.errors} error(s). See the log.\n`;
      return { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
    }
    const format = chooseFormat(request.accept);
    const text = writeExposition(collected.families, { format, exemplars: options.exemplars });
    options.onScraped((performance.now() - startedAt) / 1000);
    const headers = { 'content-type': contentTypes[format], vary: 'accept, accept-encoding' };
    if (!acceptsGzip(request.acceptEncoding)) return { status: 200, headers, body: text };
    // The fastest level already compresses metrics tenfold. gzip runs in libuv's thread pool, off the event loop.
    const body = await compress(text, { level: constants.Z_BEST_SPEED });
    return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body };
  };
}

/** Answers a scrape for servers that use the Fetch API's types. */
export async function answerScrape(
  telemetry: { scrape(request: ScrapeRequest): Promise<ScrapeResponse> },
  request: Headers,
): Promise<Response> {
  const { status, headers, body } = await telemetry.scrape({
    accept: request.get('accept') ?? undefined,
    acceptEncoding: request.get('accept-encoding') ?? undefined,
  });
  return new Response(typeof body === 'string' ? body : new Uint8Array(body), { status, headers });
}

/** OpenMetrics if its weight in `accept` is at least the weight of the text format; else the text format. */
export function chooseFormat(accept: string | undefined): Format {
  const ranges = parseWeighted(accept ?? '*/*');
  const openMetrics = ranges.filter(
    ({ name, parameters }) =>
      name === 'application/openmetrics-text' &&
      [undefined, '1.0.0'].includes(parameters.get('version')),
  );
  const wanted = Math.max(0, ...openMetrics.map(({ weight }) => weight));
  return wanted > 0 && wanted >= weightOf(ranges, ['text/plain', 'text/*', '*/*'])
    ? 'openmetrics'
    : 'text';
}

export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  return weightOf(parseWeighted(acceptEncoding ?? ''), ['gzip', '*']) > 0;
}

interface Weighted {
  name: string;
  parameters: Map<string, string>;
  weight: number;
}

/** Parses Accept or Accept-Encoding: `a;x=1;q=0.5, b`. An invalid weight counts as 0. */
function parseWeighted(header: string): Weighted[] {
  return header.split(',').map((item) => {
    const [name = '', ...rest] = item.split(';').map((part) => part.trim().toLowerCase());
    const pairs = rest.map((part): [string, string] => {
      const [key = '', value = ''] = part.split('=', 2).map((side) => side.trim());
      return [key, value.replaceAll('"', '')];
    });
    const parameters = new Map(pairs);
    const weight = Number(parameters.get('q') ?? '1');
    return { name, parameters, weight: weight >= 0 && weight <= 1 ? weight : 0 };
  });
}

/** The weight of the first of `names` (most specific first) that the header contains. */
function weightOf(ranges: readonly Weighted[], names: readonly string[]): number {
  for (const name of names) {
    const weights = ranges.filter((range) => range.name === name).map(({ weight }) => weight);
    if (weights.length > 0) return Math.max(...weights);
  }
  return 0;
}
