/** Reads Accept and Accept-Encoding of a scrape. Used by `exporter.ts`. */
import type { Format } from './exposition.ts';

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
